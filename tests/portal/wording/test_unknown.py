"""The sentences about an unknown mitigation, in every status and every stage of its end."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.mitigations.states import reported_status
from portal.wording import Session
from portal.wording.unknown import (
    UnknownFacts,
    badge,
    beside,
    says,
    tell,
    untold,
    withdraw_question,
)

NOW = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
UP = Session(state="up", since=NOW - timedelta(hours=1), last_heard_at=NOW)
DOWN = Session(state="down", since=NOW - timedelta(minutes=5))
SHOP = "203.0.113.0/24"


def unknown(dots_status: int | None = 2, **fields: Any) -> UnknownFacts:
    fields = {
        "provider": "Northgate",
        "session": UP,
        "targets": (SHOP,),
        "reported_at": NOW - timedelta(seconds=8),
        "expires_at": NOW + timedelta(hours=1),
        **fields,
    }
    return UnknownFacts(dots_status=dots_status, **fields)


WITHDRAWN: dict[str, Any] = {
    "withdrawn_by": "dana",
    "withdrawal_asked_at": NOW - timedelta(minutes=1),
}
TOLD: dict[str, Any] = {**WITHDRAWN, "confirmed_at": NOW - timedelta(seconds=30)}
KEPT: dict[str, Any] = {"dots_status": 8, "is_still_held": True}
GOES_ON: dict[str, Any] = {**WITHDRAWN, "confirmed_at": NOW - timedelta(minutes=6)}


@pytest.mark.parametrize(
    ("dots_status", "fact", "word"),
    [
        (1, "Northgate is setting up a filter for 203.0.113.0/24.", "Accepted"),
        (2, "Northgate filters 203.0.113.0/24.", "Mitigating"),
        (
            3,
            "Northgate no longer sees an attack on 203.0.113.0/24, and its filter stays.",
            "Attack stopped",
        ),
        (
            4,
            "Northgate filters 203.0.113.0/24, and the attack is larger than it can filter.",
            "Over capacity",
        ),
        (5, "Northgate is winding down its filter for 203.0.113.0/24.", "Terminating"),
        (
            7,
            "Northgate stopped filtering 203.0.113.0/24 on its own but still holds it.",
            "Withdrawn",
        ),
        (8, "Northgate holds 203.0.113.0/24 in standby.", "Standby"),
        (
            None,
            "Northgate holds a mitigation for 203.0.113.0/24 and does not report whether it "
            "filters.",
            "Status unknown",
        ),
        (
            42,
            "Northgate holds a mitigation for 203.0.113.0/24 and reports status\u00a042,"
            " which the portal does not know.",
            "Status unknown",
        ),
    ],
)
def test_the_sentence_attributes_the_mitigation_to_the_provider(
    dots_status: int | None, fact: str, word: str
) -> None:
    one = unknown(dots_status)

    assert tell(one, NOW)[0] == fact
    assert tell(one, NOW)[1].startswith("No request here asked for it.")
    assert badge(one).word == word


@pytest.mark.parametrize(
    ("fields", "fact", "rest"),
    [
        (
            WITHDRAWN,
            "Stop request not confirmed yet.",
            "dana withdrew it at 03:11:00. The portal is sending it."
            " Northgate may still be filtering 203.0.113.0/24.",
        ),
        (
            {**WITHDRAWN, "session": DOWN},
            "Stop request not confirmed yet: unreachable since 03:07:00.",
            "dana withdrew it at 03:11:00. Northgate may still be filtering 203.0.113.0/24."
            " The portal keeps trying.",
        ),
        (
            {**WITHDRAWN, "refusal_code": "4.03"},
            "Northgate did not stop it (code 4.03).",
            "dana withdrew it at 03:11:00. Northgate may still be filtering 203.0.113.0/24."
            " The portal will retry.",
        ),
        (
            TOLD,
            "Received the stop request at 03:11:30.",
            (
                "dana withdrew it. Northgate still filters 203.0.113.0/24. It may continue "
                "for up to five minutes."
            ),
        ),
        (
            {**TOLD, "dots_status": 5},
            "Received the stop request at 03:11:30 and is winding down.",
            "dana withdrew it. It may filter a little longer.",
        ),
        (
            GOES_ON,
            "Confirmed the stop request at 03:06:00, but has not stopped.",
            "dana withdrew it. Northgate still filters 203.0.113.0/24."
            " The portal keeps trying; call Northgate.",
        ),
        (
            {**GOES_ON, "dots_status": 8},
            "Confirmed the stop request at 03:06:00, but has not stopped.",
            "dana withdrew it. Northgate still holds 203.0.113.0/24 in standby."
            " The portal keeps trying; call Northgate.",
        ),
        (
            {**TOLD, **KEPT},
            "Confirmed the withdrawal at 03:11:30, and still holds 203.0.113.0/24 in standby.",
            (
                "dana withdrew it. Northgate may start it automatically when contact is lost. The "
                "portal will retry."
            ),
        ),
        (
            {**TOLD, **KEPT, "release_tried_at": NOW - timedelta(seconds=10)},
            "Confirmed the withdrawal at 03:11:30, and still holds 203.0.113.0/24 in standby.",
            "dana withdrew it. Northgate may start it automatically when contact is lost. The "
            "portal retried at"
            " 03:11:50, with a lifetime of one second, and is checking whether it is gone.",
        ),
        (
            {**GOES_ON, **KEPT, "release_tried_at": NOW, "is_release_given_up": True},
            "Confirmed the withdrawal at 03:06:00, and still holds 203.0.113.0/24 in standby.",
            "dana withdrew it. Northgate may start it automatically when contact is lost. Retrying "
            "has not helped: "
            "call and ask for the plan to be removed.",
        ),
    ],
)
def test_each_step_of_a_withdrawal_has_a_sentence(
    fields: dict[str, Any], fact: str, rest: str
) -> None:
    one = replace(unknown(), **fields)

    assert tell(one, NOW) == (fact, rest)
    assert badge(one).word == ("Still held" if one.is_still_held else "Terminating")


@pytest.mark.parametrize(
    ("fields", "fact"),
    [
        (
            {"released_for": "Shop front-end"},
            (
                "Northgate stopped filtering 203.0.113.0/24 because of your request Shop "
                "front-end but still "
                "holds it."
            ),
        ),
        ({}, "Northgate stopped filtering 203.0.113.0/24 on its own but still holds it."),
    ],
)
def test_an_end_is_called_unrequested_only_if_no_request_replaced_it(
    fields: dict[str, Any], fact: str
) -> None:
    one = unknown(7, **fields)

    assert tell(one, NOW)[0] == fact
    assert beside([one]).startswith(fact.replace("Northgate", "It"))
    assert says([one], lost=[]).headline.startswith(fact)


def test_the_ended_request_is_named() -> None:
    one = unknown(asked_by="Shop front-end", asked_until=NOW - timedelta(hours=1))

    assert tell(one, NOW)[1].startswith(
        "Shop front-end, which asked for it, ended here at 02:12:00."
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "It ends at 04:12 unless it is renewed."),
        ({"expires_at": None, "is_indefinite": True}, "It has no end time."),
        ({"expires_at": None}, ""),
    ],
)
def test_a_known_end_is_shown(fields: dict[str, Any], words: str) -> None:
    assert tell(unknown(**fields), NOW)[1] == f"No request here asked for it. {words}".strip()


def test_an_old_report_says_so() -> None:
    one = unknown(reported_at=NOW - timedelta(minutes=10))

    assert tell(one, NOW)[1].endswith("No report since 03:02:00; this is the last known status.")


def test_many_targets_are_shortened_and_missing_targets_are_mentioned() -> None:
    many = unknown(targets=tuple(f"203.0.113.{one}/32" for one in range(5)))
    nothing = unknown(targets=())

    assert "203.0.113.0/32, 203.0.113.1/32, 203.0.113.2/32 and 2 more" in tell(many, NOW)[0]
    assert tell(nothing, NOW)[0] == "Northgate filters unnamed targets."


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("lost", [[], ["Tidewall"], ["Tidewall", "Harbour"]])
def test_the_page_leads_with_it_and_names_disconnected_providers(
    count: int, lost: list[str]
) -> None:
    said = says([unknown()] * count, lost=lost)

    assert said.headline == "Northgate filters 203.0.113.0/24. No request here asked for it."
    assert ("other" in said.summary) == (count > 1)
    assert ("not connected" in said.summary) == bool(lost)
    assert said.badge.family == "warn"


def test_a_mitigation_being_withdrawn_needs_no_decision() -> None:
    withdrawn = replace(unknown(), **WITHDRAWN)

    assert says([withdrawn], lost=[]).headline == (
        "Withdrawing a mitigation at Northgate that no request here asked for."
    )
    assert says([withdrawn, unknown()], lost=[]).headline.startswith("Northgate filters")


def test_the_providers_line_names_the_first_and_counts_the_others() -> None:
    assert beside([unknown()]) == ("It filters 203.0.113.0/24. No request here asked for it.")
    assert beside([unknown()] * 2).endswith("asked for it. It holds 1\u00a0other like it.")


@pytest.mark.parametrize(
    ("refusal", "begins"),
    [
        ("4.05", "It refuses to list what it holds (code 4.05): "),
        ("silence", "It does not answer when asked what it holds: "),
        ("unreadable", "Its list of what it holds cannot be read: "),
    ],
)
def test_a_provider_without_a_list_has_a_sentence(refusal: str, begins: str) -> None:
    assert untold(refusal).startswith(begins)
    assert untold("") == ""


STATUSES = [*range(1, 9), None, 0, 42]
STAGES: list[dict[str, Any]] = [{}, WITHDRAWN, {**WITHDRAWN, "session": DOWN}, TOLD, GOES_ON,
          {**WITHDRAWN, "refusal_code": "5.03"}, {"asked_by": "Shop"}]  # fmt: skip


@pytest.mark.parametrize("dots_status", STATUSES)
@pytest.mark.parametrize("fields", STAGES)
@pytest.mark.parametrize("targets", [(), (SHOP,), (SHOP, "shop.example.com")])
def test_every_sentence_is_complete(
    dots_status: int | None, fields: dict[str, Any], targets: tuple[str, ...]
) -> None:
    one = replace(unknown(dots_status, targets=targets), **fields)
    question = withdraw_question(one)
    said = [*tell(one, NOW), beside([one]), says([one], lost=[]).headline, *question.points]

    for sentence in said:
        assert re.fullmatch(r"\S.*[.]", sentence), sentence
        assert "  " not in sentence
        assert " ." not in sentence
        assert "None" not in sentence
    assert question.title.endswith("?")
    assert question.is_filtering == (dots_status in (2, 3, 4))


@pytest.mark.parametrize("dots_status", [0, 6, 9, 255, None])
def test_an_unassigned_status_number_has_no_label(dots_status: int | None) -> None:
    assert reported_status(dots_status) is None
