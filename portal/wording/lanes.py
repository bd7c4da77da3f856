"""The sentences and the track of one provider's lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.core.formatting import (
    NBSP,
    amount,
    bit_rate,
    duration,
    listed,
    moment,
    packet_rate,
    since,
    spaced_when,
    when,
)
from portal.mitigations.states import LOOP, NOT_SENDABLE
from portal.wording import plans, replaced
from portal.wording.efficacy import efficacy_sentence
from portal.wording.facts import Leg
from portal.wording.refusals import unknown_report
from portal.wording.table import (
    CLAIMED,
    LOOKS,
    MAY_FILTER,
    STALE_AFTER,
    Face,
    face,
    is_soon,
    is_stale,
)

FEW_SENDS: Final = 10
"""Up to this many copies the page gives their number, above it their rate."""
REPEATED_WITHIN_S: Final = 4
"""On a connection that is up an unanswered request is repeated every 3 s, and a little more at random."""


def _amounts(leg: Leg) -> str:
    rates = [rate for rate in (bit_rate(leg.bps_dropped), packet_rate(leg.pps_dropped)) if rate]
    total = amount(leg.bytes_dropped)
    if not rates and not total:
        return f"{leg.short} does not report amounts."
    if not rates:
        return f"{total} dropped so far."
    return f"{' and '.join(rates)} dropped{f'; {total} so far' if total else ''}."


def _not_sent(leg: Leg, now: datetime) -> tuple[str, str]:
    fact = f"Nothing has left the portal for {leg.short}."
    if leg.session.state == "up":
        return fact, "It is sent within seconds."
    since_when = f" since {since(leg.session.since, now)}" if leg.session.since else ""
    return fact, f"There is no connection{since_when}. It is sent as soon as there is one."


def _requested(leg: Leg, now: datetime) -> tuple[str, str]:
    if leg.confirmed_at is not None:
        return (
            f"Asked again{spaced_when(leg.last_sent_at, now)}.",
            f"{leg.short} no longer knew this request. Waiting for its answer.",
        )
    if leg.asked_by:
        at = when(leg.sent_at, now)
        return f"Asked by {leg.asked_by}, sent {at}.", "Waiting for its first answer."
    if leg.because:
        return f"Asked because {leg.because}.", "Waiting for its first answer."
    return f"Sent {when(leg.sent_at, now)}.", "Waiting for the first answer."


def _no_answer(leg: Leg, now: datetime) -> tuple[str, str]:
    fact = f"{_how_often(leg, now)}, no answer."
    whom = f"Gateway {leg.session.gateway}" if leg.session.gateway else leg.short
    lost = "It may be acting already: answers get lost when your link is full."
    if leg.session.state == "up" or leg.session.since is None:
        again = f"Next try within {REPEATED_WITHIN_S}{NBSP}s."
        if _answers_others(leg, now):
            alive = f"{whom} is connected and answers other messages, not this request."
            return fact, f"{alive} {again} It may be acting already."
        return fact, f"{again} {lost}"
    retrying = f"The portal has been retrying since {since(leg.session.since, now)}."
    return fact, f"{whom} is unreachable. {retrying} {lost}"


def _answers_others(leg: Leg, now: datetime) -> bool:
    """Whether the provider was heard recently, and after this request left."""
    heard = leg.session.last_heard_at
    if leg.session.state != "up" or heard is None or leg.sent_at is None:
        return False
    return heard > leg.sent_at and now - heard <= STALE_AFTER


def _how_often(leg: Leg, now: datetime) -> str:
    """How often a request was sent. A number that grows by three a second is of no use to a person."""
    if leg.sends <= FEW_SENDS or leg.sent_at is None or leg.last_sent_at is None:
        return "Sent once" if leg.sends <= 1 else f"Sent {leg.sends}{NBSP}times"
    apart_s = (leg.last_sent_at - leg.sent_at).total_seconds() / (leg.sends - 1)
    from_when = f"since {moment(leg.sent_at, now)}"
    if apart_s <= 0:
        return f"Sent {leg.sends}{NBSP}times"
    if apart_s < 1:
        return f"Sent {round(1 / apart_s)}{NBSP}times a second {from_when}"
    return f"Sent every {duration(round(apart_s))} {from_when}"


def _put_off(leg: Leg, now: datetime) -> tuple[str, str]:
    # The portal bounds how long it waits: the time is when it asks, not what the provider named.
    fact = f"Asked the portal to wait. The portal asks again {when(leg.retry_at, now)}."
    return fact, " ".join(part for part in (leg.refusal, _sooner(leg, now)) if part)


def _sooner(leg: Leg, now: datetime) -> str:
    """What a person can do when the provider named a distant time."""
    if is_soon(leg.retry_at, now):
        return ""
    return f"The portal does not ask again before then. Call {leg.short} if you need it sooner."


def _not_told(leg: Leg, now: datetime) -> tuple[str, str]:
    why = _why_withdrawn(leg, now)
    if leg.refusal_code == NOT_SENDABLE and leg.retry_at is not None:
        return (
            "Not told yet: the portal could not send the withdrawal.",
            f"{why}{leg.refusal} {leg.short} may still be filtering.",
        )
    if leg.refusal_code == LOOP and leg.retry_at is not None:
        return (
            "Not told yet: the word to stop did not arrive.",
            f"{why}{leg.refusal} {leg.short} may still be filtering."
            f" The portal tells it again {when(leg.retry_at, now)}.",
        )
    if leg.session.state == "up":
        return "Not told yet.", f"{why}The portal is telling it now. It may still be filtering."
    since_when = f" since {since(leg.session.since, now)}" if leg.session.since else ""
    return (
        f"Not told yet: unreachable{since_when}.",
        f"{why}It may still be filtering. The portal keeps trying.",
    )


def _why_withdrawn(leg: Leg, now: datetime) -> str:
    """Who or what took this provider alone away; empty when the whole request was ended."""
    if leg.withdrawn_by:
        return f"{leg.withdrawn_by} withdrew it {when(leg.withdrawal_asked_at, now)}. "
    if leg.withdrawn_because:
        return f"Withdrawn because {leg.withdrawn_because}. "
    return ""


def _told(leg: Leg, now: datetime) -> tuple[str, str]:
    at = leg.withdrawal_confirmed_at
    if at is None:
        return (
            "Winding down, and not because you asked.",
            "It may filter a little longer.",
        )
    return (
        f"Was told {when(at, now)} and is winding down.",
        f"{_why_withdrawn(leg, now)}It may filter a little longer.",
    )


def _refused(leg: Leg, now: datetime) -> tuple[str, str]:
    at = spaced_when(leg.ended_at or leg.last_heard_at, now)
    return f"{leg.short} refused{at}.", _again(leg, leg.refusal, now)


def _not_reached(leg: Leg, _now: datetime) -> tuple[str, str]:
    """Nobody but a person can tell when it would be reached (SC-107)."""
    asks = f"The portal does not ask {leg.short} again by itself. Ask it again when they have fixed it."
    return f"The request did not reach {leg.short}.", " ".join(
        part for part in (leg.refusal, asks if leg.withdrawal_asked_at is None else "") if part
    )


def _not_sendable(leg: Leg, now: datetime) -> tuple[str, str]:
    fact = f"The portal could not send this to {leg.short}."
    if leg.sent_at is None:
        return fact, _again(leg, leg.refusal, now)
    before = f"Copies that left before may have reached {leg.short}."
    return fact, f"{_again(leg, leg.refusal, now)} {before}".lstrip()


def not_saved(leg: Leg, now: datetime) -> str:
    return f"The portal could not save {leg.short}’s answer of {moment(leg.unsaved_at, now)}."


def _not_saved(leg: Leg, now: datetime) -> tuple[str, str]:
    return not_saved(leg, now), _again(
        leg, "It may be acting already. The portal’s log says why.", now
    )


def _from_before(leg: Leg, leg_face: Face, now: datetime) -> str:
    """What the status alone does not say: an answer that was lost here, a renewal that cannot be sent."""
    if leg.unsaved_at is not None and leg_face != Face.NOT_SAVED:
        return f"{not_saved(leg, now)} The rest shown here is older."
    if leg.refusal_code == NOT_SENDABLE and leg_face in CLAIMED:
        return f"Its renewal could not be sent. {leg.refusal}"
    return ""


def _again(leg: Leg, reason: str, now: datetime) -> str:
    """The reason, and when who said no is asked again, if it is."""
    if leg.retry_at is None or leg.retry_at <= now:
        return reason
    again = f"The portal asks again {when(leg.retry_at, now)}."
    if leg.must_wait:
        again = (
            f"It asked the portal to wait until {moment(leg.retry_at, now)}. {_sooner(leg, now)}"
        )
    return f"{reason} {again}".strip()


def _withdrawn(leg: Leg, now: datetime) -> tuple[str, str]:
    at = spaced_when(leg.status_at or leg.ended_at or leg.last_heard_at, now)
    if leg.is_replaced:
        return replaced.tell(leg, at)
    return (
        f"{leg.short} stopped by itself{at}.",
        _again(leg, leg.refusal or "It gave no reason.", now),
    )


def _terminated(leg: Leg, now: datetime) -> tuple[str, str]:
    why = _why_withdrawn(leg, now).rstrip()
    if leg.sent_at is None:
        return f"Nothing had been sent to {leg.short}.", why
    return f"Confirmed{spaced_when(leg.ended_at, now)} that it stopped.", why


_TELL: Final[dict[Face, Callable[[Leg, datetime], tuple[str, str]]]] = {
    Face.NOT_SENT: _not_sent,
    Face.REQUESTED: _requested,
    Face.PUT_OFF: _put_off,
    Face.NO_ANSWER: _no_answer,
    Face.ACCEPTED: lambda leg, now: (
        f"Accepted{spaced_when(leg.confirmed_at, now)} and is setting up.",
        "It does not filter yet.",
    ),
    Face.STANDBY: lambda _leg, _now: (
        "Holds the plan.",
        "It filters only when activated, or by itself if it loses contact with you under attack.",
    ),
    Face.MITIGATING: lambda leg, _now: ("Reports that it is filtering.", _amounts(leg)),
    Face.ATTACK_STOPPED: lambda leg, _now: (
        "No longer sees the attack.",
        "Its filter stays until you terminate."
        + (
            f" {amount(leg.bytes_dropped)} dropped in all." if leg.bytes_dropped is not None else ""
        ),
    ),
    Face.EXCEEDED: lambda leg, _now: (
        "The attack is larger than it can filter.",
        f"Part of it gets through. {_amounts(leg)}",
    ),
    Face.NOT_TOLD: _not_told,
    Face.TOLD: _told,
    Face.STILL_HELD: plans.tell_still_held,
    Face.TERMINATED: _terminated,
    Face.WITHDRAWN: _withdrawn,
    Face.REFUSED: _refused,
    Face.NOT_REACHED: _not_reached,
    Face.NOT_SENDABLE: _not_sendable,
    Face.NOT_SAVED: _not_saved,
    Face.EXPIRED: lambda leg, now: (
        f"The lifetime ran out{spaced_when(leg.ended_at, now, seconds=False)} and was not renewed.",
        "It should have stopped filtering.",
    ),
}


def tell(
    leg: Leg, now: datetime, *, before: Sequence[Leg] = (), patience_s: int = 10
) -> tuple[str, str]:
    """A lane's sentence: the fact, and what it means to a tired person."""
    leg_face = face(leg, now)
    if leg_face == Face.NOT_ASKED:
        return "Not asked.", _when_asked(leg, before, patience_s)
    if leg.unknown_report is not None and is_stale(leg, now):
        before_that = f"Before that it was: {LOOKS[leg_face].word.lower()}."
        return f"{unknown_report(leg)}.", before_that
    if leg.is_plan and leg_face == Face.STANDBY:
        return plans.TELL[leg_face](leg, now)
    words = plans.TELL.get(leg_face, _TELL[leg_face]) if leg.is_plan else _TELL[leg_face]
    fact, rest = words(leg, now)
    if leg.is_plan:
        rest = f"{plans.activation(leg, now)} {rest}".strip()
    if leg_face == Face.REQUESTED and leg.because.endswith("did not answer"):
        fact = f"Asked because {leg.because} within {patience_s}{NBSP}s."
    if is_stale(leg, now) and leg.heard_at is not None:
        rest = f"Nothing heard since {moment(leg.heard_at, now)}; that is from then."
    reported = efficacy_sentence(leg, now) if leg_face in CLAIMED else ""
    parts = (rest, reported, _from_before(leg, leg_face, now), _late(leg, before, now))
    return fact, " ".join(part for part in parts if part)


_IN_TROUBLE: Final = (
    Face.NO_ANSWER,
    Face.NOT_SENDABLE,
    Face.NOT_SAVED,
    Face.EXCEEDED,
    Face.STILL_HELD,
)
_WAITED_FOR: Final = (Face.PUT_OFF, Face.REFUSED, Face.WITHDRAWN)


def needs_call(leg: Leg, now: datetime) -> bool:
    """Whether a phone call is the next step, because the network does not help, or not for long."""
    leg_face = face(leg, now)
    if leg_face == Face.NOT_TOLD:
        return bool(leg.phone) and leg.session.state != "up"
    waits_long = (
        leg_face in _WAITED_FOR and leg.retry_at is not None and not is_soon(leg.retry_at, now)
    )
    return bool(leg.phone) and (leg_face in _IN_TROUBLE or waits_long)


def _when_asked(leg: Leg, before: Sequence[Leg], patience_s: int) -> str:
    if leg.why_not:
        return f"{leg.why_not}."
    if not leg.is_chosen:
        return "It was not chosen for this request."
    if leg.left_out:
        return leg.left_out
    if not before:
        return ""
    first = listed([other.short for other in before], conjunction="or")
    return (
        f"It is asked if {first} refuses, is over capacity, withdraws,"
        f" or does not answer within {patience_s}{NBSP}s."
    )


def _late(leg: Leg, before: Sequence[Leg], now: datetime) -> str:
    """What becomes of a later provider when one before it helps after all."""
    if face(leg, now) not in MAY_FILTER or leg.asked_at is None or leg.is_first:
        return ""
    late = [
        other
        for other in before
        if other.confirmed_at is not None
        and other.confirmed_at > leg.asked_at
        and face(other, now) in (Face.ACCEPTED, Face.MITIGATING)
    ]
    if not late:
        return ""
    who = listed([other.short for other in late])
    if leg.may_be_withdrawn:
        return f"{who} accepted late. {leg.short} is withdrawn when {late[0].short} reports that it is filtering."
    return f"{who} accepted late. {leg.short} stays on until you withdraw it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the four steps of a lane's track: confirmed facts, not progress."""

    word: str
    place: str
    "past, here, lost or next"
    shape: str
    at: datetime | None = None
    note: str = ""

    @property
    def spoken(self) -> str:
        return {"past": "done: ", "here": "now: ", "next": "not yet: "}.get(self.place, "")


_ODD_ENDS: Final = (
    Face.ATTACK_STOPPED,
    Face.EXCEEDED,
    Face.WITHDRAWN,
    Face.REFUSED,
    Face.NOT_REACHED,
    Face.NOT_SENDABLE,
    Face.EXPIRED,
    Face.STANDBY,
)


def track(leg: Leg, now: datetime) -> tuple[Step, ...]:
    """Sent, Accepted, Mitigating, and the end it took."""
    here = face(leg, now)
    if leg.is_plan:
        return _plan_track(leg, here)
    end = here if here in _ODD_ENDS else Face.TERMINATED
    is_at_end = here == end
    rows = (
        ("Sent", leg.sent_at, here in (Face.REQUESTED, Face.PUT_OFF)),
        ("Accepted", leg.confirmed_at, here == Face.ACCEPTED),
        ("Mitigating", leg.mitigating_at, here == Face.MITIGATING),
        (LOOKS[end].word, leg.ended_at or leg.status_at, is_at_end),
    )
    steps: list[Step] = []
    for index, (word, at, is_here) in enumerate(rows):
        is_last = index == len(rows) - 1
        if is_here:
            shape = LOOKS[here].shape
            steps.append(Step(word=word, place="here", shape=shape, at=at))
        elif at is not None and not is_last:
            steps.append(Step(word=word, place="past", shape="disc-tick", at=at))
        elif _is_lost(index, here, is_at_end=is_at_end, sent=leg.sent_at is not None):
            note = "not confirmed" if here in (Face.NO_ANSWER, Face.REQUESTED) else ""
            steps.append(Step(word=word, place="lost", shape="dashed-ring", note=note))
        else:
            steps.append(Step(word=word, place="next", shape="ring"))
    return tuple(steps)


def _plan_track(leg: Leg, here: Face) -> tuple[Step, ...]:
    """Sent, Standby, Mitigating while it is active, and the end it took."""
    end = here if here in _ODD_ENDS and here != Face.STANDBY else Face.TERMINATED
    rows = (
        ("Sent", leg.sent_at, here in (Face.REQUESTED, Face.PUT_OFF, Face.NO_ANSWER)),
        (LOOKS[Face.STANDBY].word, leg.confirmed_at, here == Face.STANDBY),
        (LOOKS[Face.MITIGATING].word, leg.mitigating_at, here in (Face.ACCEPTED, Face.MITIGATING)),
        (LOOKS[end].word, leg.ended_at or leg.status_at, here == end),
    )
    steps: list[Step] = []
    for index, (word, at, is_here) in enumerate(rows):
        if is_here:
            steps.append(Step(word=word, place="here", shape=LOOKS[here].shape, at=at))
        elif at is not None and index < len(rows) - 1:
            steps.append(Step(word=word, place="past", shape="disc-tick", at=at))
        else:
            steps.append(Step(word=word, place="next", shape="ring"))
    return tuple(steps)


def _is_lost(index: int, here: Face, *, is_at_end: bool, sent: bool) -> bool:
    """Nobody confirmed this step though it is due, or a later one was reached."""
    if here == Face.NO_ANSWER:
        return index == 1
    return is_at_end and sent and 0 < index < 3
