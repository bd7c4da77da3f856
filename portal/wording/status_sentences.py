"""What each display status means for one provider: the fact, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from portal.core.formatting import (
    NBSP,
    amount,
    bit_rate,
    duration,
    moment,
    packet_rate,
    since,
    spaced_when,
    when,
)
from portal.mitigations.states import LOOP, NOT_SENDABLE, STALE_AFTER
from portal.wording import plans, replaced
from portal.wording.badges import (
    DisplayStatus,
    is_soon,
)
from portal.wording.facts import MitigationFacts

FEW_SENDS: Final = 10
"""Up to this many copies the page shows their number, above it their rate."""


REPEATED_WITHIN_S: Final = 4
"""On an established connection an unanswered request is repeated every 3 s plus a random delay."""


def _amounts(mitigation: MitigationFacts) -> str:
    rates = [
        rate
        for rate in (bit_rate(mitigation.bps_dropped), packet_rate(mitigation.pps_dropped))
        if rate
    ]
    total = amount(mitigation.bytes_dropped)
    if not rates and not total:
        return f"{mitigation.short} does not report amounts."
    if not rates:
        return f"{total} dropped so far."
    return f"{' and '.join(rates)} dropped{f'; {total} so far' if total else ''}."


def _not_sent(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    fact = f"Nothing has left the portal for {mitigation.short}."
    if mitigation.session.state == "up":
        return fact, "It is sent within seconds."
    since_when = (
        f" since {since(mitigation.session.since, now)}" if mitigation.session.since else ""
    )
    return fact, f"There is no connection{since_when}. It is sent as soon as there is one."


def _requested(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    if mitigation.confirmed_at is not None:
        return (
            f"Sent again{spaced_when(mitigation.last_sent_at, now)}.",
            f"{mitigation.short} no longer knew this request. Waiting for its answer.",
        )
    if mitigation.asked_by:
        at = when(mitigation.sent_at, now)
        return f"Asked by {mitigation.asked_by}, sent {at}.", "Waiting for its first answer."
    if mitigation.because:
        return f"Asked because {mitigation.because}.", "Waiting for its first answer."
    return f"Sent {when(mitigation.sent_at, now)}.", "Waiting for the first answer."


def _no_answer(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    fact = f"{_how_often(mitigation, now)}, no answer."
    whom = (
        f"Gateway {mitigation.session.gateway}" if mitigation.session.gateway else mitigation.short
    )
    lost = "It may be acting already: answers get lost when your link is full."
    if mitigation.session.state == "up" or mitigation.session.since is None:
        again = f"Retrying within {REPEATED_WITHIN_S}{NBSP}s."
        if _answers_others(mitigation, now):
            alive = f"{whom} is connected and answers other messages, not this request."
            return fact, f"{alive} {again} It may be acting already."
        return fact, f"{again} {lost}"
    retrying = f"The portal has been retrying since {since(mitigation.session.since, now)}."
    return fact, f"{whom} is unreachable. {retrying} {lost}"


def _answers_others(mitigation: MitigationFacts, now: datetime) -> bool:
    """Whether the provider was heard recently, and after this request left."""
    heard = mitigation.session.last_heard_at
    if mitigation.session.state != "up" or heard is None or mitigation.sent_at is None:
        return False
    return heard > mitigation.sent_at and now - heard <= STALE_AFTER


def _how_often(mitigation: MitigationFacts, now: datetime) -> str:
    """How often a request was sent.

    A number that grows by three a second does not help the reader.
    """
    if (
        mitigation.sends <= FEW_SENDS
        or mitigation.sent_at is None
        or mitigation.last_sent_at is None
    ):
        return "Sent once" if mitigation.sends <= 1 else f"Sent {mitigation.sends}{NBSP}times"
    apart_s = (mitigation.last_sent_at - mitigation.sent_at).total_seconds() / (
        mitigation.sends - 1
    )
    from_when = f"since {moment(mitigation.sent_at, now)}"
    if apart_s <= 0:
        return f"Sent {mitigation.sends}{NBSP}times"
    if apart_s < 1:
        return f"Sent {round(1 / apart_s)}{NBSP}times a second {from_when}"
    return f"Sent every {duration(round(apart_s))} {from_when}"


def _put_off(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    # The portal limits its wait: this is the time of its retry, not the one that the provider
    # named.
    fact = f"Asked the portal to retry later. Retrying {when(mitigation.retry_at, now)}."
    return fact, " ".join(part for part in (mitigation.refusal, _sooner(mitigation, now)) if part)


def _sooner(mitigation: MitigationFacts, now: datetime) -> str:
    """What a person can do if the provider named a distant time."""
    if is_soon(mitigation.retry_at, now):
        return ""
    return f"The portal will not retry before then. Call {mitigation.short} if you need it sooner."


def _stop_pending(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    why = _why_withdrawn(mitigation, now)
    if mitigation.refusal_code == NOT_SENDABLE and mitigation.retry_at is not None:
        return (
            "The portal could not send the stop request.",
            f"{why}{mitigation.refusal} {mitigation.short} may still be filtering.",
        )
    if mitigation.refusal_code == LOOP and mitigation.retry_at is not None:
        return (
            "Stop request not delivered yet.",
            f"{why}{mitigation.refusal} {mitigation.short} may still be filtering."
            f" Retrying {when(mitigation.retry_at, now)}.",
        )
    if mitigation.session.state == "up":
        return (
            "Stop request not confirmed yet.",
            f"{why}The portal is sending it. {mitigation.short} may still be filtering.",
        )
    since_when = (
        f" since {since(mitigation.session.since, now)}" if mitigation.session.since else ""
    )
    return (
        f"Stop request not confirmed yet: unreachable{since_when}.",
        f"{why}It may still be filtering. The portal keeps trying.",
    )


def _why_withdrawn(mitigation: MitigationFacts, now: datetime) -> str:
    """Who or what withdrew this provider alone; empty if the whole request ended."""
    if mitigation.withdrawn_by:
        return (
            f"{mitigation.withdrawn_by} withdrew it {when(mitigation.withdrawal_asked_at, now)}. "
        )
    if mitigation.withdrawn_because:
        return f"Withdrawn because {mitigation.withdrawn_because}. "
    return ""


def _winding_down(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    at = mitigation.withdrawal_confirmed_at
    if at is None:
        return (
            "Winding down; this portal did not ask it to.",
            "It may filter a little longer.",
        )
    return (
        f"Received the stop request {when(at, now)} and is winding down.",
        f"{_why_withdrawn(mitigation, now)}It may filter a little longer.",
    )


def _refused(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    at = spaced_when(mitigation.ended_at or mitigation.last_heard_at, now)
    return f"{mitigation.short} refused{at}.", _again(mitigation, mitigation.refusal, now)


def _looped(mitigation: MitigationFacts, _now: datetime) -> tuple[str, str]:
    """Only a person can tell when it would be reachable (SC-107)."""
    asks = (
        f"The portal does not retry {mitigation.short} automatically. Ask it again when "
        f"they have fixed it."
    )
    return f"The request did not reach {mitigation.short}.", " ".join(
        part
        for part in (mitigation.refusal, asks if mitigation.withdrawal_asked_at is None else "")
        if part
    )


def _not_sendable(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    fact = f"The portal could not send this to {mitigation.short}."
    if mitigation.sent_at is None:
        return fact, _again(mitigation, mitigation.refusal, now)
    before = f"Copies sent earlier may have reached {mitigation.short}."
    return fact, f"{_again(mitigation, mitigation.refusal, now)} {before}".lstrip()


def not_saved(mitigation: MitigationFacts, now: datetime) -> str:
    return (
        f"The portal could not save {mitigation.short}’s answer "
        f"from {moment(mitigation.unsaved_at, now)}."
    )


def _not_saved(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    return not_saved(mitigation, now), _again(
        mitigation, "It may be acting already. The portal’s log says why.", now
    )


def _again(mitigation: MitigationFacts, reason: str, now: datetime) -> str:
    """The refusal reason, and the time of the retry if there is one."""
    if mitigation.retry_at is None or mitigation.retry_at <= now:
        return reason
    again = f"Retrying {when(mitigation.retry_at, now)}."
    if mitigation.must_wait:
        again = (
            f"It asked the portal not to retry before {moment(mitigation.retry_at, now)}. "
            f"{_sooner(mitigation, now)}"
        )
    return f"{reason} {again}".strip()


def _withdrawn(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    at = spaced_when(mitigation.status_at or mitigation.ended_at or mitigation.last_heard_at, now)
    if mitigation.is_replaced:
        return replaced.tell(mitigation, at)
    return (
        f"{mitigation.short} stopped on its own{at}.",
        _again(mitigation, mitigation.refusal or "It gave no reason.", now),
    )


def _terminated(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    why = _why_withdrawn(mitigation, now).rstrip()
    if mitigation.sent_at is None:
        return f"Nothing had been sent to {mitigation.short}.", why
    return f"Confirmed{spaced_when(mitigation.ended_at, now)} that it stopped.", why


STATUS_SENTENCES: Final[
    dict[DisplayStatus, Callable[[MitigationFacts, datetime], tuple[str, str]]]
] = {
    DisplayStatus.NOT_SENT: _not_sent,
    DisplayStatus.REQUESTED: _requested,
    DisplayStatus.PUT_OFF: _put_off,
    DisplayStatus.NO_ANSWER: _no_answer,
    DisplayStatus.ACCEPTED: lambda mitigation, now: (
        f"Accepted{spaced_when(mitigation.confirmed_at, now)} and is setting up.",
        "It does not filter yet.",
    ),
    DisplayStatus.STANDBY: lambda _mitigation, _now: (
        "Holds the plan.",
        "It filters only when activated, or automatically if it loses contact with you "
        "under attack.",
    ),
    DisplayStatus.MITIGATING: lambda mitigation, _now: (
        "Reports that it is filtering.",
        _amounts(mitigation),
    ),
    DisplayStatus.ATTACK_STOPPED: lambda mitigation, _now: (
        "No longer sees the attack.",
        "Its filter stays until you terminate."
        + (
            f" {amount(mitigation.bytes_dropped)} dropped in total."
            if mitigation.bytes_dropped is not None
            else ""
        ),
    ),
    DisplayStatus.EXCEEDED: lambda mitigation, _now: (
        "The attack is larger than it can filter.",
        f"Part of it gets through. {_amounts(mitigation)}",
    ),
    DisplayStatus.STOP_PENDING: _stop_pending,
    DisplayStatus.WINDING_DOWN: _winding_down,
    DisplayStatus.STILL_HELD: plans.tell_still_held,
    DisplayStatus.TERMINATED: _terminated,
    DisplayStatus.WITHDRAWN: _withdrawn,
    DisplayStatus.REFUSED: _refused,
    DisplayStatus.LOOPED: _looped,
    DisplayStatus.NOT_SENDABLE: _not_sendable,
    DisplayStatus.NOT_SAVED: _not_saved,
    DisplayStatus.EXPIRED: lambda mitigation, now: (
        (
            f"The lifetime ran out{spaced_when(mitigation.ended_at, now, seconds=False)} and was "
            f"not renewed."
        ),
        "It should have stopped filtering.",
    ),
}
