"""Nothing is decided, sorted or found by the text of a sentence, which may be corrected, renamed or
translated.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest

from portal import wording
from portal.mitigations.states import RequestStatus
from portal.wording import Badge, RequestFacts
from portal.wording.badges import BADGES, REQUEST_BADGES
from tests.parsed import parsed
from tests.portal.wording.facts import NOW
from tests.portal.wording.test_every_sentence import plans, requests

PORTAL: Final = Path(wording.__file__).parents[1]
PARSERS: Final = ("core/targets", "core/wording", "core/postgresql")
"""These parse the input of a person or a server, never a sentence of ours."""
WORDS: Final = re.compile(r"[A-Za-z’]{2,}[,.:;]? [^=/]*[A-Za-z’]{2,}|^[A-Z][a-z]{2,}$")
SENTENCES: Final = {
    "word", "headline", "summary", "because", "withdrawn_because", "cause_text",
    "withdrawn_cause_text", "session_detail",
    "refusal", "what", "spoken",
}  # fmt: skip
"""Attributes that contain sentences."""
READS: Final = {
    "startswith", "endswith", "removeprefix", "removesuffix", "index", "find", "partition",
    "rpartition", "count",
    "match", "fullmatch", "search", "sub", "split",
}  # fmt: skip


def constants(node: ast.AST) -> Iterator[str]:
    for one in [node, *getattr(node, "elts", [])]:
        if isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield one.value


def is_words(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute) and node.attr in SENTENCES:
        return True
    texts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return any(WORDS.search(text) for one in texts for text in constants(one))


def reads_words(node: ast.AST) -> bool:
    match node:
        case ast.Compare(left=left, comparators=others):
            empty = [list(constants(one)) == [""] for one in others]
            return not all(empty) and any(map(is_words, [left, *others]))
        case ast.MatchValue(value=value):
            return is_words(value)
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments):
            is_code = isinstance(value, ast.Attribute) and value.attr == "__name__"
            return name in READS and not is_code and any(map(is_words, [value, *arguments]))
        case _:
            return False


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted(PORTAL.rglob("*.py")):
        name = path.relative_to(PORTAL).as_posix()
        if not name.startswith(PARSERS) and "/migrations/" not in name:
            yield name, path.read_text()


def test_no_decision_reads_a_sentence() -> None:
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)}"  # type: ignore[attr-defined]  # each has a line
        for name, source in sources()
        for node in ast.walk(parsed(source))
        if reads_words(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'leg.because.endswith("did not answer")',
        'other.because == f"{provider} did not answer"',
        'say.badge.word == "Standby"',
        "_ORDER.index(request_badge(request, now).word)",
        'subject.endswith("providers do")',
        're.sub(r"^is over", "last reported it is over", words)',
        'event.data.get("why") == "by hand"',
        'word not in ("attack stopped", "standby")',
    ],
)
def test_a_decision_on_a_sentence_is_found(source: str) -> None:
    assert any(map(reads_words, ast.walk(parsed(source))))


@pytest.mark.parametrize(
    "source",
    ['code == "4.04"', "shown.__name__.removesuffix('Shown')", "message['type'] == 'http.request'",
    'why == "by_hand"', 'name != ""', 'path.startswith("/static/")', 'kind in ("prefix", "fqdn")'],
)  # fmt: skip
def test_codes_do_not_look_like_sentences(source: str) -> None:
    assert not any(map(reads_words, ast.walk(parsed(source))))


def every_request() -> list[RequestFacts]:
    return [asked for some in (requests(1), requests(2), plans(1), plans(2)) for _, asked in some]


def test_renamed_badges_leave_the_order_of_the_now_page(monkeypatch: pytest.MonkeyPatch) -> None:
    live = every_request()
    before = [wording.rank(asked, NOW) for asked in live]
    needing = [wording.needs_a_person(asked, NOW) for asked in live]
    numbers = count()
    tables: list[dict[Any, Badge]] = [BADGES, REQUEST_BADGES]
    for table in tables:
        for key, badge in table.items():
            renamed = Badge(f"Renamed {next(numbers)}", badge.shape, badge.family)
            monkeypatch.setitem(table, key, renamed)

    assert [wording.rank(asked, NOW) for asked in live] == before
    assert [wording.needs_a_person(asked, NOW) for asked in live] == needing
    assert all(wording.attack_says(live[index : index + 3], NOW) for index in range(len(live) - 2))


@pytest.mark.parametrize("status", list(RequestStatus))
def test_every_status_has_a_place_on_the_now_page(status: RequestStatus) -> None:
    assert wording.rank(RequestFacts(name="Shop", status=status, mitigations=()), NOW)
