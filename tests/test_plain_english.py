"""Phrases that do not belong on a page, in an API error, in the API's document or in docs/."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
GENERATED: Final = frozenset({"conformance.md", "state-machines.md"})
PACKAGES: Final = (
    "local_stack",
    "portal/accounts",
    "portal/api",
    "portal/core",
    "portal/inventory",
    "portal/mitigations",
    "portal/organizations",
    "portal/providers",
    "portal/readiness",
    "portal/standby",
    "portal/web",
    "portal/wording",
)
CODES: Final = frozenset({"by hand"})
"""Values in stored events that look like words."""
BEFORE: Final = r"(?<![\w-])"
INSTEAD: Final = {
    r"([Nn]o|[Ss]ome)body": "name who: no provider, no one, another person",
    r"(by|of) (itself|themselves)": "automatically, or on its own",
    r"by hand": "manually",
    r"mend(s|ed|ing)?": "fix",
    r"anew": "again, or: restart",
    r"let(s|ting)? go": "release",
    r"in words": "nothing; or: as text",
    r"(is|are|was) from then": "this is the last known status",
    r"(is|are|be) kept": "saved; or state the limit",
    r"put \S+ \S+ aside": "stopped holding",
    r"[Nn]ext try (at|in|within)": "one phrase: Retrying at …; for people: Try again in …",
    r"[Nn]ot told( yet)?": "Stop request not confirmed",
    r"[Tt]ake(s)? a detour": "is diverted",
    r"[Ww]hoever": "a noun: relative clauses are no subject",
    r"(?:^|[.:;] )Who (was|is|were|has|had)": "a noun: relative clauses are no subject",
    r"(?:^|[.;] )Of (a|an|the|who)": "For a plan: …",
    r"not because you asked": "this portal did not ask it to",
    r"in peace": "in peacetime",
    r"there and back": "round trip",
    r"hang(s|ing)? on": "depends on",
    r"com(e|es|ing) about": "starts",
    r"so far as": "as; or: if",
    r"says? of (it|them|the|a)": "says that it …",
    r", for (it|they|there|nothing) [a-z]+": "because",
}
BANNED: Final = {
    re.compile(rf"{'' if phrase.startswith('(?:') else BEFORE}{phrase}(?![\w-])"): words
    for phrase, words in INSTEAD.items()
}


def literals(source: str) -> Iterator[str]:
    """The texts in a module without docstrings, each with {} for what is filled in."""
    tree = ast.parse(source)
    apart = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            apart.update(id(part) for part in node.values)
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart
        ):
            yield node.value


def is_prose(text: str) -> bool:
    return " " in text and text not in CODES


def shown(template: str) -> str:
    """The text of a template without its tags."""
    return " ".join(re.sub(r"\{[%#].*?[%#]\}|<[^>]*>", " ", template, flags=re.DOTALL).split())


def prose(document: str) -> str:
    """The text of a Markdown document without code and the targets of links."""
    without_blocks = re.sub(r"^ *```.*?^ *```", "", document, flags=re.DOTALL | re.MULTILINE)
    return " ".join(re.sub(r"`[^`]*`|(?<=\])\([^)]*\)", "", without_blocks).split())


def documents() -> Iterator[Path]:
    for place in (ROOT, ROOT / "dots_client", ROOT / "dots_server"):
        yield from place.glob("*.md")
    yield from (path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED)


def texts() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            for text in filter(is_prose, literals(path.read_text())):
                yield str(path.relative_to(ROOT)), text
    for path in sorted((ROOT / "templates").rglob("*.*")):
        yield str(path.relative_to(ROOT)), shown(path.read_text())
    for path in sorted((ROOT / "static" / "js").glob("*.js")):
        for text in re.findall(r'["`]([^"`\n]* [^"`\n]*)["`]', path.read_text()):
            yield str(path.relative_to(ROOT)), text
    for path in documents():
        yield str(path.relative_to(ROOT)), prose(path.read_text())
    yield "docs/openapi.yaml", " ".join((ROOT / "docs" / "openapi.yaml").read_text().split())


def test_every_text_is_plain_english() -> None:
    wrong = [
        f"{place}: “{found[0]}” in “{text[max(0, found.start() - 40) : found.end() + 40]}”: "
        f"write {words}"
        for place, text in texts()
        for phrase, words in BANNED.items()
        for found in phrase.finditer(text)
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "said",
    [
        "Nobody has confirmed it yet.",
        "Northgate stopped by itself.",
        "Whoever runs the portal has to start it.",
        "Northgate: asked. Who was withdrawn may be asked again.",
        "At most 32 are kept.",
        "It ended at 03:12; that is from then.",
        "Keep a session in peace, for nothing else works under attack.",
    ],
)
def test_an_odd_sentence_is_found(said: str) -> None:
    assert any(phrase.search(said) for phrase in BANNED)


@pytest.mark.parametrize("said", ["nobody-may-protect", "Who can request", "Retrying at 03:12."])
def test_codes_labels_and_plain_sentences_pass(said: str) -> None:
    assert not any(phrase.search(said) for phrase in BANNED)
