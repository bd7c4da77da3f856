"""Sentences about approvals."""

from __future__ import annotations

from typing import Any

import pytest

from portal.wording.approvals import ApprovalFacts, outcome_sentence, waiting_summary
from tests.portal.wording.facts import NOW, approval, plain


def test_a_request_that_waits_names_its_rule_the_approvers_and_the_end() -> None:
    waiting = approval(cause="larger", larger_than=26, told=("dana", "erik"))

    assert plain(" ".join(waiting_summary(waiting, NOW))) == (
        "Acme’s policy asks a second person for prefixes larger than a /26. "
        "dana and erik were told by mail at 03:12:04. "
        "If no one approves it, it expires at 03:42 UTC, unsent."
    )


def test_a_request_says_so_if_no_one_got_a_mail() -> None:
    said = waiting_summary(approval(cause="automatic"), NOW)

    assert said[0].endswith("asks a second person for requests of programs.")
    assert said[1] == "No one was told by mail. Call someone who may approve."


OUTCOMES: list[tuple[dict[str, Any], str]] = [
    ({"outcome": "approved", "by": "dana"}, "dana approved it at 03:13 UTC."),
    (
        {"outcome": "break_glass", "by": "bob", "reason": "Nobody answers."},
        "Sent without approval by bob at 03:13 UTC: Nobody answers.",
    ),
    (
        {"outcome": "declined", "by": "dana", "reason": "A drill."},
        "dana declined it at 03:13 UTC: A drill.",
    ),
    ({"outcome": "expired"}, "No one approved it in time."),
    ({"outcome": "canceled", "by": "bob"}, "bob canceled it at 03:13 UTC."),
    ({"outcome": "waiting"}, "Waiting."),
]


@pytest.mark.parametrize(("changed", "sentence"), OUTCOMES)
def test_each_outcome_has_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    facts: ApprovalFacts = approval(**changed)

    assert plain(outcome_sentence(facts, NOW)) == sentence
