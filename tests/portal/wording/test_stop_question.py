from __future__ import annotations

from typing import Any

import pytest

from portal import wording
from portal.events.models import EventType
from portal.mitigations.models import RequestKind
from portal.mitigations.states import RequestStatus, Status
from portal.wording import MitigationFacts, RequestFacts
from tests.portal.wording.facts import DOWN, NOW, ago, event_facts, plain
from tests.portal.wording.facts import mitigation as mitigation_facts

TARGETS = ["203.0.113.0/26"]


def mitigation(
    short: str, status: Status, *session: wording.Session, **facts: Any
) -> MitigationFacts:
    return mitigation_facts(short, status, *session, is_plan=True, **facts)


def stopping(short: str, *session: wording.Session, **facts: Any) -> MitigationFacts:
    return mitigation(
        short,
        Status.TERMINATING,
        *session,
        **{
            "is_held_again": True,
            "withdrawal_asked_at": ago(60),
            "mitigating_at": ago(500),
            **facts,
        },
    )


def stop_confirmed(short: str) -> MitigationFacts:
    return stopping(short, withdrawal_confirmed_at=ago(50))


def holding(short: str) -> MitigationFacts:
    return mitigation(short, Status.STANDBY, last_heard_at=ago(3))


def filtering(short: str, **facts: Any) -> MitigationFacts:
    return mitigation(
        short, Status.MITIGATING, last_heard_at=ago(3), mitigating_at=ago(500), **facts
    )


def plan(status: RequestStatus, *mitigations: MitigationFacts) -> RequestFacts:
    return RequestFacts(
        name="Shop, full flood", status=status, mitigations=mitigations, is_plan=True
    )


CARDS = [
    (stopping("Northgate"), "Stop request not confirmed yet.", "The portal is sending it."),
    (
        stopping("Northgate", DOWN),
        "Stop request not confirmed yet: unreachable since 03:11:40.",
        "It may still be filtering. The portal keeps trying.",
    ),
    (
        stopping(
            "Northgate",
            refusal_code="5.08",
            refusal="It looped through edge-1.",
            retry_at=ago(-20),
        ),
        "Stop request not delivered yet.",
        ("It looped through edge-1. Northgate may still be filtering. The portal keeps trying."),
    ),
    (
        stop_confirmed("Northgate"),
        "Received the stop request at 03:26:51 and is winding down.",
        "It may filter a little longer.",
    ),
]


@pytest.mark.parametrize(("one", "fact", "rest"), CARDS)
def test_a_card_says_that_the_provider_stops_and_holds_the_plan_again(
    one: MitigationFacts, fact: str, rest: str
) -> None:
    said = tuple(plain(text) for text in wording.tell(one, NOW))

    assert said == (fact, f"{rest} It will hold the plan again after that.")


SAID = [
    (
        (stop_confirmed("Northgate"),),
        "Northgate is stopping.",
        (
            "It will hold the plan again after that. Providers may filter a little longer, to "
            "avoid a second wave."
        ),
    ),
    (
        (stop_confirmed("Northgate"), holding("Tidewall")),
        "Northgate is stopping; Tidewall holds the plan.",
        "Northgate will hold the plan again after that."
        " Providers may filter a little longer, to avoid a second wave.",
    ),
    (
        (stop_confirmed("Northgate"), stop_confirmed("Tidewall")),
        "Both providers are stopping.",
        "They will hold the plan again after that."
        " Providers may filter a little longer, to avoid a second wave.",
    ),
    (
        (stopping("Northgate"), holding("Tidewall")),
        "Northgate has not confirmed the stop request yet; Tidewall holds the plan.",
        "Northgate will hold the plan again after that."
        " Providers may filter a little longer, to avoid a second wave.",
    ),
    (
        (stopping("Northgate", DOWN), holding("Tidewall")),
        "Northgate has not confirmed the stop request yet.",
        "It may still be filtering. The portal keeps trying, even if you close this page."
        " Northgate will hold the plan again after that.",
    ),
]


@pytest.mark.parametrize(("mitigations", "headline", "summary"), SAID)
def test_the_plan_says_first_who_stops_and_then_that_it_is_held_again(
    mitigations: tuple[MitigationFacts, ...], headline: str, summary: str
) -> None:
    one = plan(RequestStatus.TERMINATING, *mitigations)

    assert plain(wording.headline(one, NOW)) == headline
    assert plain(wording.summary(one, NOW)) == summary


def test_an_unreachable_provider_must_be_called() -> None:
    one = plan(RequestStatus.TERMINATING, stopping("Northgate", DOWN))

    step = wording.next_step(one, NOW)

    assert step == wording.NextStep(wording.Act.CALL, one.mitigations[0])


def test_the_question_names_unfiltered_traffic_and_who_keeps_holding_the_plan() -> None:
    one = plan(
        RequestStatus.MITIGATING,
        filtering("Northgate", bps_dropped=387_500_000),
        holding("Tidewall"),
    )

    question = wording.stop_question(one, TARGETS, NOW)

    assert question is not None
    assert question.is_filtering
    assert (question.title, question.keep) == (
        "Stop filtering, but stay prepared?",
        "Keep filtering",
    )
    assert [plain(point) for point in question.points] == [
        "Northgate will be told to stop filtering 203.0.113.0/26.",
        (
            "Right now Northgate drops 3.1 Gbit/s. That traffic will reach you, usually within "
            "minutes."
        ),
        "Northgate will hold the plan again after that."
        " Until then it cannot start automatically if contact is lost.",
        "Tidewall keeps holding the plan.",
    ]


def test_the_question_counts_requests_activated_from_the_plan() -> None:
    held = plan(RequestStatus.STANDBY, holding("Northgate"), holding("Tidewall"))
    activation = RequestFacts(
        name="Shop, full flood",
        status=RequestStatus.MITIGATING,
        mitigations=(
            mitigation_facts("Northgate", Status.MITIGATING),
            mitigation_facts("Tidewall", Status.PENDING),
        ),
    )

    question = wording.stop_question(held, TARGETS, NOW, activation=activation)

    assert question is not None
    assert question.points == (
        "Northgate and Tidewall will be told to stop filtering 203.0.113.0/26.",
        "Northgate and Tidewall keep holding the plan.",
    )


def test_providers_that_filter_cannot_start_automatically_during_a_stop() -> None:
    both = plan(RequestStatus.MITIGATING, filtering("Northgate"), filtering("Tidewall"))

    question = wording.stop_question(both, TARGETS, NOW)

    assert question is not None
    assert question.points[-1] == (
        "Northgate and Tidewall will hold the plan again after that."
        " Until then they cannot start automatically if contact is lost."
    )


@pytest.mark.parametrize(
    "mitigations", [(holding("Northgate"),), (stop_confirmed("Northgate"),), ()]
)
def test_no_question_is_asked_if_no_provider_filters(
    mitigations: tuple[MitigationFacts, ...],
) -> None:
    assert wording.stop_question(plan(RequestStatus.STANDBY, *mitigations), TARGETS, NOW) is None


def test_turning_a_plan_off_first_lists_the_effect_at_each_provider() -> None:
    one = plan(
        RequestStatus.MITIGATING,
        filtering("Northgate"),
        stop_confirmed("Tidewall"),
        holding("Eastwind"),
    )

    question = wording.terminate_question(one, TARGETS, NOW)

    assert question.points == (
        "Northgate will be told to stop filtering 203.0.113.0/26.",
        "Tidewall is stopping and will not hold the plan again.",
        "Eastwind will be told to release the plan for 203.0.113.0/26.",
        "The plan is then off: no provider holds it until you turn it on again.",
    )


def test_terminating_an_activation_first_says_that_the_plan_stays_on() -> None:
    one = RequestFacts(
        name="Shop, full flood",
        status=RequestStatus.MITIGATING,
        mitigations=(mitigation_facts("Northgate", Status.MITIGATING),),
    )

    question = wording.terminate_question(one, TARGETS, NOW, plan="Shop, full flood")

    assert question.points[-1] == (
        "The plan Shop, full flood stays on. You can activate it again at any time."
    )


ENTRIES = [
    (
        EventType.MITIGATION_WITHDRAW_REQUESTED,
        {"hold_again": True},
        "alice told Northgate to stop filtering.",
        "Northgate will hold the plan again after that.",
    ),
    (
        EventType.MITIGATION_STATUS,
        {"status": "terminating", "previous": "terminating", "told": True},
        "Northgate received the stop request and is winding down.",
        "It may filter a little longer, to avoid a second wave.",
    ),
    (
        EventType.MITIGATION_STATUS,
        {"status": "terminated", "previous": "terminating"},
        "Northgate confirmed that it stopped.",
        "",
    ),
]


@pytest.mark.parametrize(("type", "data", "what", "detail"), ENTRIES)
def test_the_timeline_distinguishes_stopping_from_releasing_a_plan(
    type: EventType, data: dict[str, Any], what: str, detail: str
) -> None:
    facts: dict[str, Any] = {"kind": RequestKind.STANDBY, "is_ours": True}
    stopped = wording.entry(event_facts(type, data, is_stopped=True, **facts))

    assert stopped is not None
    assert (stopped.what, stopped.detail) == (what, detail)
    lets_go = wording.entry(event_facts(type, data, **facts))
    assert lets_go is not None
    assert lets_go.what != what


def test_a_stop_is_announced_to_screen_readers() -> None:
    one = event_facts(
        EventType.MITIGATION_WITHDRAW_REQUESTED,
        {"hold_again": True},
        is_stopped=True,
        kind=RequestKind.STANDBY,
    )

    assert wording.announcement(one) == wording.Announcement(
        "alice told Northgate to stop filtering."
    )
