"""Every sentence of a request with one, two and three providers in every state: none may be
malformed or untrue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import combinations_with_replacement
from typing import Any, Final

import pytest

from portal import wording
from portal.mitigations import states
from portal.mitigations.models import FilteringEndedBy
from portal.mitigations.states import CONFIRMED, LOOP, TERMINAL, Efficacy, RequestStatus, Status
from portal.wording import MitigationFacts, Reported, RequestFacts, Session
from portal.wording.standby import standby_says
from tests.portal.wording.facts import (
    DOWN,
    MITIGATING,
    NOW,
    PROTOCOL_WORDS,
    UP,
    ago,
    mitigation,
    plain,
)

NAMES: Final = ("Northgate", "Tidewall", "Harbour")
ASKED_TO_STOP: Final[dict[str, Any]] = {"withdrawal_asked_at": ago(30)}
STATES: Final[dict[str, MitigationFacts]] = {
    "not sent": mitigation("x", Status.PENDING),
    "not sent, no connection": mitigation("x", Status.PENDING, DOWN),
    "requested": mitigation("x", Status.PENDING, sent_at=ago(3), sends=1),
    "no answer": mitigation("x", Status.PENDING, sent_at=ago(27), sends=83, last_sent_at=NOW,
    overdue_at=ago(17)),
    "no answer, no connection": mitigation("x", Status.PENDING, DOWN, sent_at=ago(27), sends=4,
    overdue_at=ago(17)),
    "deferred": mitigation("x", Status.PENDING, sent_at=ago(20), retry_at=ago(-60),
    refusal="It is too busy (code 5.03)."),
    "deferred for long": mitigation("x", Status.PENDING, sent_at=ago(20),
    retry_at=ago(-(10**9))),
    "accepted": mitigation("x", Status.IN_PROGRESS),
    "mitigating": mitigation("x", Status.MITIGATING, **MITIGATING),
    "mitigating, no numbers": mitigation("x", Status.MITIGATING),
    "accepted, silent": mitigation("x", Status.IN_PROGRESS, DOWN, last_heard_at=ago(961)),
    "mitigating, silent": mitigation("x", Status.MITIGATING, DOWN, last_heard_at=ago(961),
    **MITIGATING),
    "attack stopped": mitigation("x", Status.ATTACK_STOPPED, status_at=ago(60), **MITIGATING),
    "attack stopped, silent": mitigation("x", Status.ATTACK_STOPPED, DOWN, status_at=ago(990),
    last_heard_at=ago(961)),
    "over capacity": mitigation("x", Status.EXCEEDED, **MITIGATING),
    "over capacity, silent": mitigation("x", Status.EXCEEDED, DOWN, last_heard_at=ago(961),
    **MITIGATING),
    "replaced": mitigation("x", Status.WITHDRAWN, ended_at=ago(5), is_replaced=True),
    "not told": mitigation("x", Status.TERMINATING, **ASKED_TO_STOP),
    "not told, no connection": mitigation("x", Status.TERMINATING, DOWN, **ASKED_TO_STOP),
    "told": mitigation("x", Status.TERMINATING, withdrawal_confirmed_at=ago(9), **ASKED_TO_STOP,
    **MITIGATING),
    "winding down by itself": mitigation("x", Status.TERMINATING, **MITIGATING),
    "terminated": mitigation("x", Status.TERMINATED, ended_at=ago(5), **ASKED_TO_STOP,
    **MITIGATING),
    "withdrawn": mitigation("x", Status.WITHDRAWN, ended_at=ago(60), retry_at=ago(-30),
    **MITIGATING),
    "withdrawn, no time": mitigation("x", Status.WITHDRAWN),
    "refused": mitigation("x", Status.REFUSED, ended_at=ago(60), retry_at=ago(-30),
    refusal="It conflicts."),
    "refused, nothing known": mitigation("x", Status.REFUSED),
    "not reached": mitigation("x", Status.REFUSED, refusal_code=LOOP),
    "expired": mitigation("x", Status.EXPIRED, ended_at=ago(60)),
}  # fmt: skip
HELD_AGAIN: Final[dict[str, Any]] = {"is_held_again": True, **ASKED_TO_STOP}
STILL_HELD: Final[dict[str, Any]] = {"is_still_held": True, "withdrawal_confirmed_at": ago(9),
**ASKED_TO_STOP}  # fmt: skip
PLAN_STATES: Final = {
    name: replace(one, is_plan=True)
    for name, one in {
        **STATES,
        "held": mitigation("x", Status.STANDBY),
        "held, no connection": mitigation("x", Status.STANDBY, DOWN),
        "held, silent": mitigation("x", Status.STANDBY, replace(UP, last_heard_at=ago(700))),
        "not told to stop": mitigation("x", Status.TERMINATING, **HELD_AGAIN),
        "stopping": mitigation(
            "x", Status.TERMINATING, withdrawal_confirmed_at=ago(9), **HELD_AGAIN
        ),
        "still held": mitigation("x", Status.TERMINATING, **STILL_HELD),
        "still held, told again": mitigation(
            "x", Status.TERMINATING, release_tried_at=ago(5), **STILL_HELD
        ),
        "still held, given up": mitigation(
            "x", Status.TERMINATING, is_release_given_up=True, **STILL_HELD
        ),
    }.items()
}
SEVERAL: Final = "(?:" + "|".join(rf"{one} and {other}" for one in NAMES for other in NAMES) + ")"
SINGULAR: Final = "(?:is|was|has|does|reports|filters|holds|drops|stops|accepts|asks)"


def status_of(mitigations: Sequence[MitigationFacts], *, is_terminated: bool) -> RequestStatus:
    """As the portal derives it."""
    return states.request_status(
        [
            states.MitigationState(
                status=one.status,
                is_overdue=one.overdue_at is not None,
                is_given_up=one.withdrawal_asked_at is not None and not one.is_held_again,
                is_held_again=one.is_held_again,
            )
            for one in mitigations
            if one.status is not None
        ],
        is_termination_asked=is_terminated,
    )


def requests(count: int) -> Iterator[tuple[str, RequestFacts]]:
    for names in combinations_with_replacement(STATES, count):
        mitigations = tuple(
            replace(STATES[name], short=short, name=f"{short} Scrubbing")
            for name, short in zip(names, NAMES, strict=False)
        )
        for is_terminated in (False, True):
            if is_terminated:
                mitigations = tuple(
                    one
                    if one.status in (*TERMINAL, *states.SET_BACK)
                    else replace(one, status=Status.TERMINATING, **ASKED_TO_STOP)
                    for one in mitigations
                )
            for renews in (True, False):
                status = status_of(mitigations, is_terminated=is_terminated)
                yield (
                    f"{'; '.join(names)}{', ended' if is_terminated else ''}",
                    RequestFacts(
                        name="Shop",
                        status=status,
                        mitigations=mitigations,
                        auto_renew=renews,
                        ended_at=ago(5),
                    ),
                )


def plans(count: int) -> Iterator[tuple[str, RequestFacts]]:
    for names in combinations_with_replacement(PLAN_STATES, count):
        mitigations = tuple(
            replace(PLAN_STATES[name], short=short, name=f"{short} Scrubbing")
            for name, short in zip(names, NAMES, strict=False)
        )
        for ends_at in (None, ago(-3600), ago(-86_400 * 4)):
            status = status_of(mitigations, is_terminated=False)
            yield (
                "; ".join(names),
                RequestFacts(
                    name="Shop",
                    status=status,
                    mitigations=mitigations,
                    is_plan=True,
                    ends_at=ends_at,
                ),
            )


def of_a_plan(asked: RequestFacts) -> Iterator[str]:
    said = standby_says([asked], 1, NOW)
    yield from (f"{said.headline}", said.summary, wording.lifetime_sentence(asked, NOW))
    question = wording.stop_question(asked, ["203.0.113.7"], NOW)
    yield from question.points if question else ()


def sentences(asked: RequestFacts) -> Iterator[str]:
    yield wording.headline(asked, NOW)
    yield wording.summary(asked, NOW)
    for index, one in enumerate(asked.mitigations):
        yield from wording.tell(one, NOW, before=asked.mitigations[:index])
        question = wording.withdraw_question(asked, one, ["203.0.113.7"], NOW)
        yield from question.points if question else ()
    yield from wording.terminate_question(asked, ["203.0.113.7"], NOW).points


MONTHS: Final = (
    "January|February|March|April|May|June|July|August|September|October|November|December"
)
MALFORMED: Final = re.compile(
    r"  | [.,;:]|\.\.|^[ .]|[^.]$|\b(?:at|since|until) ?[.,]"
    r"|^(?:is|are|has|have|told|asked|started|ended) "
    rf"|\bat \d+ (?:{MONTHS})"
    r"|\bstill (?:is|are|no|stopped)\b|\bis (?:attack|standby)\b"
)


@cache
def malformed(text: str) -> bool:
    return bool(MALFORMED.search(text)) or any(word in text for word in PROTOCOL_WORDS)


@cache
def has_singular_verb(text: str) -> bool:
    """For several subjects."""
    return bool(re.search(rf"{SEVERAL} {SINGULAR}\b", text))


@cache
def every(count: int) -> list[tuple[str, RequestFacts, list[str]]]:
    """Each request with all its sentences."""
    return [
        (name, asked, [plain(text) for text in sentences(asked) if text])
        for name, asked in requests(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_sentence_is_malformed(count: int) -> None:
    wrong = {text: name for name, _, texts in every(count) for text in texts if malformed(text)}
    assert wrong == {}


@pytest.mark.parametrize("count", [1, 2])
def test_no_sentence_of_a_plan_is_malformed(count: int) -> None:
    wrong = {
        text: name
        for name, asked in plans(count)
        for text in map(plain, filter(None, [*sentences(asked), *of_a_plan(asked)]))
        if malformed(text) or has_singular_verb(text)
    }
    assert wrong == {}


FILTERING_ENDS: Final = [
    wording.FilteringEndFacts(
        at=at, by=by, reported_at=before, has_filtered=has_filtered, reason=reason
    )
    for by in FilteringEndedBy
    for at, before in ((ago(60), None), (ago(60), ago(70)), (ago(60), ago(3600)), (ago(86_400 * 4),
    ago(86_400 * 5)))
    for has_filtered in (True, False)
    for reason in ("", "It conflicts.")
]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
def test_no_sentence_about_an_ended_plan_is_malformed(count: int) -> None:
    wrong = {}
    for index, (name, asked) in enumerate(plans(count)):
        end = FILTERING_ENDS[index % len(FILTERING_ENDS)]
        for who in (asked.mitigations, asked.mitigations[:1]):
            mitigations = (
                replace(one, filtering_end=end) if one in who else one for one in asked.mitigations
            )
            ended = replace(asked, mitigations=tuple(mitigations), filtering_ended_at=end.at)
            text = plain(wording.end_sentence(ended, NOW))
            if malformed(text) or has_singular_verb(text):
                wrong[text] = name
            if len(who) > 1 and text.count("itself"):
                wrong[text] = name
    assert wrong == {}


@pytest.mark.parametrize(
    "at", [None, ago(5), ago(86_400), ago(4 * 86_400), ago(500 * 86_400)], ids=str
)
def test_every_time_reads_well_even_if_old_or_unknown(at: datetime | None) -> None:
    times = dict.fromkeys(
        ("confirmed_at", "ended_at", "withdrawal_confirmed_at", "release_tried_at", "status_at"), at
    )
    for is_plan in (False, True):
        for name, state in {**STATES, **PLAN_STATES}.items():
            one = replace(state, short="Northgate", is_plan=is_plan, **times)
            asked = RequestFacts(
                name="Shop",
                status=status_of([one], is_terminated=False),
                mitigations=(one,),
                is_plan=is_plan,
                ends_at=at,
                ended_at=at,
            )
            wrong = [text for text in map(plain, filter(None, sentences(asked))) if malformed(text)]
            assert wrong == [], name


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("state", list(Efficacy))
def test_every_outcome_of_a_report_reads_well(state: Efficacy, *, is_old: bool) -> None:
    days = 4 * 86_400 if is_old else 0
    reported = Reported(
        attack_status="under-attack",
        at=ago(60 + days),
        state=state,
        retry_at=ago(-60 - days),
        refusal="It gave no reason (code 4.00).",
    )

    said = wording.tell(replace(STATES["mitigating"], reported=reported), NOW)

    assert not [text for text in map(plain, said) if malformed(text)]


def test_only_silence_is_called_last_reported() -> None:
    """A fresh and a silent provider never share a verb or a sum."""
    mitigations = (
        replace(STATES["mitigating"], short="Northgate"),
        replace(STATES["mitigating, silent"], short="Tidewall"),
    )
    asked = RequestFacts(name="Shop", status=RequestStatus.MITIGATING, mitigations=mitigations)

    assert (
        wording.headline(asked, NOW)
        == "Northgate reports it is filtering; Tidewall last reported it is filtering."
    )
    assert plain(wording.summary(asked, NOW)).startswith(
        "Northgate drops 3.1 Gbit/s. Tidewall last reported 3.1 Gbit/s dropped."
    )


@pytest.mark.parametrize("count", [2, 3])
def test_several_subjects_have_no_singular_verb(count: int) -> None:
    wrong = {
        text: name for name, _, texts in every(count) for text in texts if has_singular_verb(text)
    }
    assert wrong == {}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_only_filtering_providers_have_a_rate(count: int) -> None:
    for name, asked, texts in every(count):
        drops = [one for one in asked.started if wording.dropped_now([one], NOW)]
        assert all(one.status in (Status.MITIGATING, Status.EXCEEDED) for one in drops)
        if not drops:
            text = " ".join(texts)
            assert not re.search(r"drops? [\d.]+ .bit/s|Right now", text), name


@pytest.mark.parametrize("count", [1, 2, 3])
def test_only_a_held_request_renews_itself(count: int) -> None:
    for name, asked, texts in every(count):
        text = " ".join(texts)
        if "renews automatically" in text:
            assert asked.auto_renew, name
            assert any(
                one.status in CONFIRMED and one.withdrawal_asked_at is None for one in asked.started
            ), name


ALIVE: Final = "Northgate is connected and answers other messages, not this request."
LOST: Final = "answers get lost when your link is full"


@pytest.mark.parametrize(
    ("session", "fact", "is_alive"),
    [
        (Session(state="up", last_heard_at=ago(2)), "Sent 3 times a second since 03:27:14", True),
        (Session(state="up", last_heard_at=ago(40)), "Sent 3 times a second since 03:27:14", False),
        (Session(state="up"), "Sent 3 times a second since 03:27:14", False),
        (DOWN, "Sent 3 times a second since 03:27:14", False),
    ],
)
def test_answers_are_not_called_lost_while_the_provider_answers_other_messages(
    session: Session, fact: str, is_alive: bool
) -> None:
    one = mitigation(
        "Northgate",
        Status.PENDING,
        session,
        sent_at=ago(27),
        sends=83,
        last_sent_at=NOW,
        overdue_at=ago(17),
    )

    said = wording.tell(one, NOW)

    assert plain(said[0]) == f"{fact}, no answer."
    assert (ALIVE in said[1], LOST in said[1]) == (is_alive, not is_alive)
