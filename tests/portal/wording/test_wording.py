from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portal import wording
from portal.mitigations.models import ProviderConflict
from portal.mitigations.states import RequestStatus, Status
from portal.wording import RequestFacts, Session
from tests.portal.wording.facts import (
    DOWN,
    NORTHGATE,
    NOW,
    PROTOCOL_WORDS,
    SILENT,
    UP,
    ago,
    approval,
    asked,
    mitigation,
    plain,
)  # fmt: skip

TIDEWALL = mitigation(
    "Tidewall", Status.MITIGATING, mitigating_at=ago(800), bps_dropped=150_000_000
)
LOOPED = mitigation("Northgate", Status.REFUSED, refusal_code="5.08", ended_at=ago(9))
REFUSED = mitigation("Tidewall", Status.REFUSED, ended_at=ago(935))
STOPPED = [mitigation(short, Status.ATTACK_STOPPED) for short in ("Northgate", "Tidewall")]
WAITED_FOR = mitigation(
    "Tidewall",
    Status.PENDING,
    sent_at=ago(20),
    retry_at=datetime(2163, 1, 5, 1, 16, 20, tzinfo=UTC),
    must_wait=True,
)
ENDED = [
    mitigation(short, Status.TERMINATED, ended_at=ago(9)) for short in ("Northgate", "Tidewall")
]
TOLD = mitigation(
    "Northgate", Status.TERMINATING, withdrawal_asked_at=ago(60), withdrawal_confirmed_at=ago(59)
)
UNTOLD = mitigation("Northgate", Status.TERMINATING, DOWN, withdrawal_asked_at=ago(60))
GONE = mitigation("Tidewall", Status.TERMINATED, withdrawal_asked_at=ago(60), ended_at=ago(9))

PUT_OFF = mitigation("Northgate", Status.PENDING, sent_at=ago(9), retry_at=ago(-60))
FILTERS = mitigation("Tidewall", Status.MITIGATING)
SETS_UP = mitigation("Tidewall", Status.IN_PROGRESS)
HOLDS = mitigation("Tidewall", Status.STANDBY)
HEADLINES = [
    (
        asked(
            RequestStatus.TERMINATED,
            mitigation("Northgate", Status.WITHDRAWN, ended_at=ago(60), is_replaced=True),
        ),
        "Northgate replaced this by a newer request for some of the same addresses.",
    ),
    (
        asked(RequestStatus.STANDBY, mitigation("Northgate", Status.STANDBY, last_heard_at=ago(5))),
        "Northgate holds the plan.",
    ),
    (asked(RequestStatus.AWAITING_APPROVAL), "Nothing has been sent. Waiting for approval."),
    (
        asked(RequestStatus.REQUESTING, mitigation("Northgate", Status.PENDING)),
        "Nothing has been sent yet.",
    ),
    (
        asked(RequestStatus.REQUESTING, mitigation("Northgate", Status.PENDING, sent_at=ago(2))),
        "Sent to Northgate 2 s ago.",
    ),
    (
        asked(
            RequestStatus.REQUESTING,
            mitigation("Northgate", Status.PENDING, sent_at=ago(2)),
            mitigation("Tidewall", Status.PENDING, sent_at=ago(2)),
        ),
        "Sent to both providers 2 s ago.",
    ),
    (
        asked(
            RequestStatus.REQUESTING, SILENT, mitigation("Tidewall", Status.PENDING, sent_at=ago(7))
        ),
        "No provider has confirmed yet.",
    ),
    (
        asked(RequestStatus.IN_PROGRESS, mitigation("Northgate", Status.IN_PROGRESS)),
        "Northgate accepted and is setting up.",
    ),
    (asked(RequestStatus.MITIGATING, NORTHGATE), "Northgate reports it is filtering."),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, mitigation("Tidewall", None)),
        "Northgate reports it is filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL),
        "Both providers report they are filtering.",
    ),
    (
        asked(
            RequestStatus.MITIGATING,
            NORTHGATE,
            TIDEWALL,
            mitigation("Cleanpipe", Status.MITIGATING),
        ),
        "All 3 providers report they are filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, NORTHGATE, REFUSED),
        "Tidewall refused; Northgate reports it is filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, SILENT, TIDEWALL),
        "Northgate does not answer; Tidewall reports it is filtering.",
    ),
    (
        asked(RequestStatus.MITIGATING, mitigation("Northgate", Status.EXCEEDED), TIDEWALL),
        "Northgate cannot stop all of the attack on Shop front-end.",
    ),
    (
        asked(RequestStatus.ATTACK_STOPPED, *STOPPED),
        "Providers report the attack has stopped. Filtering is still on.",
    ),
    (
        asked(RequestStatus.ATTACK_STOPPED, STOPPED[0]),
        "Northgate reports the attack has stopped. Filtering is still on.",
    ),
    (
        asked(RequestStatus.FAILING, SILENT, REFUSED),
        "No provider has confirmed help. Still trying.",
    ),
    (
        asked(RequestStatus.FAILING, LOOPED, replace(REFUSED, retry_at=ago(-30))),
        "No provider has confirmed help. Still trying.",
    ),
    (
        asked(RequestStatus.FAILING, LOOPED, replace(REFUSED, retry_at=ago(-86400))),
        "No provider has confirmed help. The portal will not retry before 03:27:41 tomorrow.",
    ),
    (
        asked(RequestStatus.FAILING, WAITED_FOR, LOOPED),
        "No provider has confirmed help. The portal will not retry before 5 January 2163.",
    ),
    (asked(RequestStatus.FAILING, LOOPED), "No provider has confirmed help."),
    (asked(RequestStatus.FAILING, LOOPED, is_plan=True), "No provider holds the plan."),
    (asked(RequestStatus.TERMINATING, TOLD), "Told Northgate to stop."),
    (
        asked(RequestStatus.TERMINATING, TOLD, GONE),
        "Told both providers to stop. Tidewall has confirmed.",
    ),
    (
        asked(RequestStatus.TERMINATING, UNTOLD, GONE),
        "Northgate has not confirmed the stop request yet.",
    ),
    *(
        # A waiting provider is no bad news if another one helps, but is if a plan should be held.
        (
            asked(
                status,
                replace(PUT_OFF, is_plan=is_plan),
                replace(other, is_plan=is_plan),
                is_plan=is_plan,
            ),
            sentence,
        )
        for status, other, is_plan, sentence in (
            (
                RequestStatus.MITIGATING,
                FILTERS,
                False,
                "Tidewall reports it is filtering; Northgate asked the portal to retry later.",
            ),
            (
                RequestStatus.IN_PROGRESS,
                SETS_UP,
                False,
                "Tidewall accepted and is setting up; Northgate asked the portal to retry later.",
            ),
            (
                RequestStatus.MITIGATING,
                FILTERS,
                True,
                "Tidewall reports it is filtering; Northgate asked the portal to retry later.",
            ),
            (
                RequestStatus.STANDBY,
                HOLDS,
                True,
                "Northgate asked the portal to retry later; Tidewall holds the plan.",
            ),
        )
    ),
    (asked(RequestStatus.TERMINATED, *ENDED), "Terminated. Both providers confirmed."),
    (asked(RequestStatus.TERMINATED, ENDED[0], REFUSED), "Terminated. Northgate confirmed."),
    (
        asked(RequestStatus.TERMINATED, mitigation("Northgate", Status.TERMINATED, sent_at=None)),
        "Terminated. Nothing had been sent.",
    ),
    (
        asked(RequestStatus.EXPIRED, mitigation("Northgate", Status.EXPIRED), ended_at=ago(60)),
        "The lifetime ran out at 03:26. The request is over.",
    ),
    (
        asked(
            RequestStatus.DECLINED,
            approval=approval(outcome="declined", by="dana", reason="a drill is on"),
        ),
        "dana declined this: a drill is on. Nothing was sent.",
    ),
    (
        asked(RequestStatus.EXPIRED, ended_by="not_approved", ended_at=ago(60)),
        "No one approved this in time. Nothing was sent.",
    ),
]


@pytest.mark.parametrize(("one", "sentence"), HEADLINES)
def test_a_headline_names_the_worst_mitigation_first_and_counts_only_when_all_agree(
    one: RequestFacts, sentence: str
) -> None:
    assert plain(wording.headline(one, NOW)) == sentence


def test_every_status_of_a_request_has_its_headline_pinned() -> None:
    assert {one.status for one, _ in HEADLINES} == set(RequestStatus)


def test_an_old_report_is_not_shown_as_current() -> None:
    silent = Session(state="up", since=ago(9000), last_heard_at=ago(200))
    old = mitigation("Northgate", Status.MITIGATING, silent, mitigating_at=ago(920))

    one = asked(RequestStatus.MITIGATING, old)

    assert wording.headline(one, NOW) == "Northgate last reported it is filtering."
    assert "Nothing heard from Northgate since 03:24:21" in wording.summary(one, NOW)


def test_the_summary_of_a_request_says_how_much_and_until_when() -> None:
    one = asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL)

    assert plain(wording.summary(one, NOW)) == (
        "Together they drop 4.3 Gbit/s. Filtering stays on and renews automatically until you "
        "terminate it."
    )


def test_the_summary_of_a_silent_request_names_the_silent_provider() -> None:
    one = asked(
        RequestStatus.REQUESTING, SILENT, mitigation("Tidewall", Status.PENDING, sent_at=ago(7))
    )

    assert plain(wording.summary(one, NOW)) == (
        "Northgate Scrubbing has not answered since 03:27:24. Tidewall was asked 7 s ago. "
        "The portal keeps asking both, even if you close this page."
    )


NEXT = [
    (
        asked(RequestStatus.REQUESTING, mitigation("Northgate", Status.PENDING, sent_at=ago(2))),
        None,
    ),
    (asked(RequestStatus.REQUESTING, SILENT), wording.Act.CALL),
    (asked(RequestStatus.IN_PROGRESS, mitigation("Northgate", Status.IN_PROGRESS)), None),
    (asked(RequestStatus.MITIGATING, NORTHGATE), None),
    (asked(RequestStatus.MITIGATING, mitigation("Northgate", Status.EXCEEDED)), wording.Act.CALL),
    (asked(RequestStatus.ATTACK_STOPPED, *STOPPED), wording.Act.TERMINATE),
    (asked(RequestStatus.FAILING, SILENT), wording.Act.CALL),
    (asked(RequestStatus.TERMINATING, TOLD), None),
    (asked(RequestStatus.TERMINATING, UNTOLD), wording.Act.CALL),
    (asked(RequestStatus.TERMINATED, *ENDED), wording.Act.ACKNOWLEDGE),
    (asked(RequestStatus.EXPIRED, mitigation("Northgate", Status.EXPIRED)), wording.Act.AGAIN),
]


@pytest.mark.parametrize(("one", "act"), NEXT)
def test_there_is_one_next_step_at_most(one: RequestFacts, act: wording.Act | None) -> None:
    step = wording.next_step(one, NOW)

    assert (step.act if step else None) == act


def test_the_question_before_terminating_names_the_traffic_that_will_come_through() -> None:
    one = asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL)

    question = wording.terminate_question(one, ["203.0.113.0/26"], NOW)

    assert question.title == "Terminate while the attack goes on?"
    assert [plain(point) for point in question.points] == [
        "Northgate and Tidewall will be told to stop filtering 203.0.113.0/26.",
        "Right now they drop 4.3 Gbit/s. That traffic will reach you, usually within minutes.",
        "You can request again at any time; providers may take a minute to start over.",
    ]
    assert (question.keep, question.is_filtering) == ("Keep filtering", True)


SESSIONS = [
    (UP, "Connected", "Since 2 October. Last heard 2 s ago."),
    (
        Session(state="up", since=ago(9000), last_heard_at=ago(107)),
        "Connected, answers lost",
        "Requests still go out. Nothing heard for 107 s; usual when the link is full.",
    ),
    (Session(state="connecting", since=ago(961)), "Connecting", "Trying since 03:11:40."),
    (DOWN, "Unreachable", "Unreachable since 03:11:40: no route."),
]


@pytest.mark.parametrize(("session", "word", "sentence"), SESSIONS)
def test_a_session_shows_its_start(session: Session, word: str, sentence: str) -> None:
    assert wording.session_badge(session, NOW).word == word
    assert plain(wording.session_sentence(session, NOW)) == sentence


def test_the_page_is_ready_only_when_every_provider_is_connected() -> None:
    ready = wording.calm_says([("Northgate", UP), ("Tidewall", UP)])
    half = wording.calm_says([("Northgate", UP), ("Tidewall", DOWN)])
    lost = wording.calm_says([("Northgate", DOWN)])

    assert (ready.headline, ready.badge.family) == ("Ready. Nothing is being mitigated.", "good")
    assert half.headline == "Nothing is being mitigated. Tidewall is not connected."
    assert lost.headline == "Not ready: no provider is connected."


def test_the_page_leads_with_the_worst_request_and_mentions_the_other() -> None:
    worst = RequestFacts(
        name="Mail relays",
        status=RequestStatus.MITIGATING,
        mitigations=(mitigation("Northgate", Status.EXCEEDED),),
    )
    other = asked(RequestStatus.MITIGATING, NORTHGATE, TIDEWALL)

    said = wording.attack_says([worst, other], NOW)

    assert said.headline == "Northgate cannot stop all of the attack on Mail relays."
    assert said.summary.endswith(
        "Your other live request, Shop front-end, is mitigating at both providers."
    )
    assert wording.rank(worst, NOW) < wording.rank(other, NOW)


REFUSALS = [
    (
        {
            "code": "4.09",
            "conflict": ProviderConflict(
                reason="You already have a newer request for these addresses."
            ),
        },
        "You already have a newer request for these addresses.",
    ),
    ({"code": "4.00", "reason": "prefix unknown"}, "Tidewall says: prefix unknown."),
    ({"code": "4.29"}, "Too many requests (code 4.29)."),
    ({"code": "4.99"}, "Tidewall gave no reason (code 4.99)."),
]


@pytest.mark.parametrize(("facts", "sentence"), REFUSALS)
def test_a_refusal_has_its_reason_as_text(facts: dict[str, Any], sentence: str) -> None:
    assert wording.refusal_sentence("Tidewall", **facts) == sentence


def test_no_headline_uses_protocol_jargon() -> None:
    assert not [text for _, text in HEADLINES for word in PROTOCOL_WORDS if word in text]
