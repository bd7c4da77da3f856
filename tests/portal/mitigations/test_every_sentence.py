"""Every sentence of a request over one, two and three providers in every state: none may be malformed or untrue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement
from typing import Any, Final

import pytest

from portal.mitigations import states, wording
from portal.mitigations.states import CONFIRMED, LOOP, TERMINAL, RequestStatus, Status
from portal.mitigations.wording import Asked, Leg, Session
from tests.portal.mitigations.facts import DOWN, MITIGATING, NOW, ago, leg, plain

NAMES: Final = ("Northgate", "Tidewall", "Harbour")
ASKED_TO_STOP: Final[dict[str, Any]] = {"withdrawal_asked_at": ago(30)}
STATES: Final[dict[str, Leg]] = {
    "not sent": leg("x", Status.PENDING),
    "not sent, no connection": leg("x", Status.PENDING, DOWN),
    "requested": leg("x", Status.PENDING, sent_at=ago(3), sends=1),
    "no answer": leg("x", Status.PENDING, sent_at=ago(27), sends=83, last_sent_at=NOW, overdue_at=ago(17)),
    "no answer, no connection": leg("x", Status.PENDING, DOWN, sent_at=ago(27), sends=4, overdue_at=ago(17)),
    "told to wait": leg("x", Status.PENDING, sent_at=ago(20), retry_at=ago(-60), refusal="It is too busy (code 5.03)."),
    "told to wait for long": leg("x", Status.PENDING, sent_at=ago(20), retry_at=ago(-(10**9))),
    "accepted": leg("x", Status.IN_PROGRESS),
    "mitigating": leg("x", Status.MITIGATING, **MITIGATING),
    "mitigating, no numbers": leg("x", Status.MITIGATING),
    "mitigating, silent": leg("x", Status.MITIGATING, DOWN, last_heard_at=ago(961), **MITIGATING),
    "attack stopped": leg("x", Status.ATTACK_STOPPED, status_at=ago(60), **MITIGATING),
    "over capacity": leg("x", Status.EXCEEDED, **MITIGATING),
    "not told": leg("x", Status.TERMINATING, **ASKED_TO_STOP),
    "not told, no connection": leg("x", Status.TERMINATING, DOWN, **ASKED_TO_STOP),
    "told": leg("x", Status.TERMINATING, withdrawal_confirmed_at=ago(9), **ASKED_TO_STOP, **MITIGATING),
    "winding down by itself": leg("x", Status.TERMINATING, **MITIGATING),
    "terminated": leg("x", Status.TERMINATED, ended_at=ago(5), **ASKED_TO_STOP, **MITIGATING),
    "withdrawn": leg("x", Status.WITHDRAWN, ended_at=ago(60), retry_at=ago(-30), **MITIGATING),
    "withdrawn, no time": leg("x", Status.WITHDRAWN),
    "refused": leg("x", Status.REFUSED, ended_at=ago(60), retry_at=ago(-30), refusal="It clashes."),
    "refused, nothing known": leg("x", Status.REFUSED),
    "not reached": leg("x", Status.REFUSED, refusal_code=LOOP),
    "expired": leg("x", Status.EXPIRED, ended_at=ago(60)),
}  # fmt: skip
SEVERAL: Final = "(?:" + "|".join(rf"{one} and {other}" for one in NAMES for other in NAMES) + ")"
SINGULAR: Final = "(?:is|was|has|does|reports|filters|holds|drops|stops|accepts|asks)"


def status_of(legs: Sequence[Leg], *, is_terminated: bool) -> RequestStatus:
    """As the portal derives it."""
    return states.request_status(
        [
            states.Leg(
                status=one.status,
                is_overdue=one.overdue_at is not None,
                is_given_up=one.withdrawal_asked_at is not None,
            )
            for one in legs
            if one.status is not None
        ],
        is_termination_asked=is_terminated,
    )


def requests(count: int) -> Iterator[tuple[str, Asked]]:
    for names in combinations_with_replacement(STATES, count):
        legs = tuple(
            replace(STATES[name], short=short, name=f"{short} Scrubbing")
            for name, short in zip(names, NAMES, strict=False)
        )
        for is_terminated in (False, True):
            if is_terminated:
                legs = tuple(
                    one
                    if one.status in (*TERMINAL, *states.SET_BACK)
                    else replace(one, status=Status.TERMINATING, **ASKED_TO_STOP)
                    for one in legs
                )
            for renews in (True, False):
                status = status_of(legs, is_terminated=is_terminated)
                yield (
                    f"{'; '.join(names)}{', ended' if is_terminated else ''}",
                    Asked(
                        name="Shop", status=status, legs=legs, auto_renew=renews, ended_at=ago(5)
                    ),
                )


def sentences(asked: Asked) -> Iterator[str]:
    yield wording.headline(asked, NOW)
    yield wording.lead(asked, NOW)
    for index, one in enumerate(asked.legs):
        yield from wording.tell(one, NOW, before=asked.legs[:index])
        question = wording.withdraw_question(asked, one, ["203.0.113.7"], NOW)
        yield from question.points if question else ()
    yield from wording.terminate_question(asked, ["203.0.113.7"], NOW).points


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_sentence_is_malformed(count: int) -> None:
    wrong = {
        text: name
        for name, asked in requests(count)
        for text in map(plain, filter(None, sentences(asked)))
        if re.search(r"  | [.,;:]|\.\.|^[ .]|[^.]$|\b(?:at|since|until) ?[.,]", text)
        or re.match(r"(?:is|are|has|have) ", text)
    }
    assert wrong == {}


@pytest.mark.parametrize("count", [2, 3])
def test_several_subjects_have_no_singular_verb(count: int) -> None:
    wrong = {
        text: name
        for name, asked in requests(count)
        for text in map(plain, sentences(asked))
        if re.search(rf"{SEVERAL} {SINGULAR}\b", text)
    }
    assert wrong == {}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_rate_is_told_only_of_who_filters(count: int) -> None:
    for name, asked in requests(count):
        drops = [one for one in asked.asked if wording.dropped_now([one], NOW)]
        assert all(one.status in (Status.MITIGATING, Status.EXCEEDED) for one in drops)
        if not drops:
            told = " ".join(plain(text) for text in sentences(asked))
            assert not re.search(r"drops? [\d.]+ .bit/s|Right now", told), name


@pytest.mark.parametrize("count", [1, 2, 3])
def test_nothing_renews_itself_that_nobody_holds(count: int) -> None:
    for name, asked in requests(count):
        told = " ".join(sentences(asked))
        if "renews itself" in told:
            assert asked.auto_renew, name
            assert any(
                one.status in CONFIRMED and one.withdrawal_asked_at is None for one in asked.asked
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
    one = leg(
        "Northgate",
        Status.PENDING,
        session,
        sent_at=ago(27),
        sends=83,
        last_sent_at=NOW,
        overdue_at=ago(17),
    )

    told = wording.tell(one, NOW)

    assert plain(told[0]) == f"{fact}, no answer."
    assert (ALIVE in told[1], LOST in told[1]) == (is_alive, not is_alive)
