from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conformance.rules import (
    Exemption,
    Kind,
    Rule,
    Shown,
    contradictions,
    exemptions,
    rules,
    shown_in,
)

RULE = Rule(id="SC-001", level="MUST", section="3", text="Use port 4646.")
EXEMPT = Exemption(kind=Kind.NOT_YET, reason="later")
SHOWN = Shown(path="tests/test_port.py", name="test_the_port", line=1)


def test_a_rule_needs_a_test_or_a_reason() -> None:
    assert contradictions({"SC-001": RULE}, {}, {}) == [
        "SC-001 has neither a test nor a reason in exceptions.csv"
    ]
    assert contradictions({"SC-001": RULE}, {"SC-001": EXEMPT}, {}) == []
    assert contradictions({"SC-001": RULE}, {}, {"SC-001": [SHOWN]}) == []


def test_a_reason_beside_a_test_is_out_of_date() -> None:
    assert contradictions({"SC-001": RULE}, {"SC-001": EXEMPT}, {"SC-001": [SHOWN]}) == [
        "SC-001 is shown by a test: remove it from exceptions.csv"
    ]


def test_no_marker_cites_an_unknown_rule() -> None:
    assert contradictions({}, {"SC-999": EXEMPT}, {"SC-998": [SHOWN]}) == [
        "SC-998 is no rule, and test_the_port shows it",
        "SC-999 is no rule, and exceptions.csv has it",
    ]


def test_markers_are_found_at_their_test(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_port.py").write_text(
        '@pytest.mark.rule("SC-001")\n'
        '@pytest.mark.parametrize("port", [4646])\n'
        '@pytest.mark.rule("SC-002", "SS-001")\n'
        "async def test_the_port(port): ...\n"
        "@pytest.fixture\n"
        "def test_less(): ...\n"
    )

    shown = Shown(path="tests/test_port.py", name="test_the_port", line=4)
    assert shown_in(tests) == {"SC-001": [shown], "SC-002": [shown], "SS-001": [shown]}


@pytest.mark.parametrize(("prefix", "count"), [("SC", 130), ("SS", 92)])
def test_the_list_is_complete(prefix: str, count: int) -> None:
    mine = [rule_id for rule_id in rules() if rule_id.startswith(prefix)]

    assert mine == [f"{prefix}-{number:03}" for number in range(1, count + 1)]


def test_rules_and_documents_named_in_reasons_exist() -> None:
    root = Path(__file__).parents[2]
    for exemption in exemptions().values():
        for rule_id in re.findall(r"S[CS]-\d+", exemption.reason):
            assert rule_id in rules()
        for document in re.findall(r"`(docs/[^`]+)`", exemption.reason):
            assert (root / document).exists(), document
