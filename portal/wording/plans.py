"""The sentences of a standby plan that differ from those of an immediate request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from portal.core.formatting import NBSP, listed, moment, since, spaced_when, when
from portal.mitigations.states import LOOP
from portal.wording.badges import DisplayStatus, display_status, is_stale
from portal.wording.facts import MitigationFacts, RequestFacts

CLAUSES: Final = {
    # what one provider does, what several do
    DisplayStatus.WITHDRAWN: ("stopped holding the plan", "stopped holding the plan"),
    DisplayStatus.ACCEPTED: (
        "activated the plan and is setting up",
        "activated the plan and are setting up",
    ),
    DisplayStatus.NOT_SENT: ("was not asked yet", "were not asked yet"),
    DisplayStatus.STOP_PENDING: (
        "has not confirmed the release request yet",
        "have not confirmed the release request yet",
    ),
    DisplayStatus.WINDING_DOWN: ("is releasing the plan", "are releasing the plan"),
    DisplayStatus.TERMINATED: ("released the plan", "released the plan"),
}
LAST_REPORTED: Final = {
    DisplayStatus.ACCEPTED: (
        "activated the plan and was setting up",
        "activated the plan and were setting up",
    ),
}
"""The same for silent providers."""
STOPPING: Final = {
    DisplayStatus.STOP_PENDING: (
        "has not confirmed the stop request yet",
        "have not confirmed the stop request yet",
    ),
    DisplayStatus.WINDING_DOWN: ("is stopping", "are stopping"),
}
"""The same for providers that will hold the plan again afterwards."""
HOLDS_AGAIN: Final = "It will hold the plan again after that."
HELD_BEFORE: Final = "held the plan when contact was lost"
UNKNOWN_NOW: Final = (
    "If {provider} sees an attack, it activates this plan automatically; "
    "no one can confirm that now."
)
ACTED: Final = (
    DisplayStatus.ACCEPTED,
    DisplayStatus.MITIGATING,
    DisplayStatus.EXCEEDED,
    DisplayStatus.ATTACK_STOPPED,
)


def has_lost_contact(mitigation: MitigationFacts, now: datetime) -> bool:
    """The provider's current state of the plan is unknown."""
    return mitigation.session.state != "up" or (
        is_stale(mitigation, now) and mitigation.unknown_report is None
    )


def is_held_now(mitigation: MitigationFacts, now: datetime) -> bool:
    """It holds the plan, and there is contact."""
    return display_status(mitigation, now) == DisplayStatus.STANDBY and not has_lost_contact(
        mitigation, now
    )


def lost_first(
    mitigations: Sequence[MitigationFacts], now: datetime
) -> list[list[MitigationFacts]]:
    """Providers that hold the plan by their last report, and those that confirm it now."""
    lost = [mitigation for mitigation in mitigations if has_lost_contact(mitigation, now)]
    return [
        group
        for group in (lost, [mitigation for mitigation in mitigations if mitigation not in lost])
        if group
    ]


def lost_at(mitigation: MitigationFacts, now: datetime) -> str:
    """ "Contact lost at 03:11." or, on a silent connection, the time of the last message."""
    if mitigation.session.state == "up" or mitigation.session.since is None:
        heard = moment(mitigation.heard_at, now)
        return f"Nothing heard since {heard}." if heard else "There is no contact."
    return f"Contact lost {when(mitigation.session.since, now, seconds=False)}."


def activation(mitigation: MitigationFacts, now: datetime) -> str:
    """When a provider activated the plan on its own, and whether the portal was connected then."""
    began = mitigation.mitigation_start or mitigation.status_at
    if display_status(mitigation, now) not in ACTED or began is None:
        return ""
    back, reported = mitigation.session.since, mitigation.status_at
    was_unseen = back is not None and began < back and (reported is None or back <= reported)
    if mitigation.session.state == "up" and back is not None and was_unseen:
        return (
            f"Contact again {when(back, now, seconds=False)}. "
            f"{mitigation.short} had activated the plan {when(began, now, seconds=False)}."
        )
    return f"{mitigation.short} activated the plan automatically {when(began, now, seconds=False)}."


def _not_sent(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    fact = f"Nothing has left the portal for {mitigation.short}."
    if mitigation.session.state == "up":
        return fact, "It is asked within seconds."
    since_when = (
        f" since {since(mitigation.session.since, now)}" if mitigation.session.since else ""
    )
    return fact, f"There is no connection{since_when}. It is asked as soon as there is one."


def _requested(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    if mitigation.confirmed_at is not None:
        return (
            f"Sent again{spaced_when(mitigation.last_sent_at, now)}.",
            f"{mitigation.short} no longer held the plan. Waiting for its answer.",
        )
    return (
        f"Asked {when(mitigation.sent_at, now)} to hold the plan.",
        "Waiting for the first answer.",
    )


def _no_answer(mitigation: MitigationFacts, _now: datetime) -> tuple[str, str]:
    times = "once" if mitigation.sends <= 1 else f"{mitigation.sends:,}{NBSP}times"
    return f"Asked {times}, no answer.", "The portal keeps asking. It may hold the plan already."


def _held(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    if has_lost_contact(mitigation, now):
        return lost_at(mitigation, now), UNKNOWN_NOW.format(provider=mitigation.short)
    return (
        "Holds the plan.",
        "It filters only when activated, or automatically if it loses contact with you "
        "under attack.",
    )


def _accepted(_mitigation: MitigationFacts, _now: datetime) -> tuple[str, str]:
    return "Activated the plan and is setting up.", "It does not filter yet."


def _attack_stopped(_mitigation: MitigationFacts, _now: datetime) -> tuple[str, str]:
    return "No longer sees the attack.", "It returns to standby automatically."


def _stop_pending(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    if mitigation.is_held_again:
        return _stop_filtering_pending(mitigation, now)
    if mitigation.refusal_code == LOOP and mitigation.retry_at is not None:
        still = f"{mitigation.short} may still hold the plan. The portal keeps trying."
        return "Release request not delivered yet.", f"{mitigation.refusal} {still}"
    if mitigation.session.state == "up":
        return (
            "Release request not confirmed yet.",
            f"The portal is sending it. {mitigation.short} may still hold the plan.",
        )
    since_when = (
        f" since {since(mitigation.session.since, now)}" if mitigation.session.since else ""
    )
    return (
        f"Release request not confirmed yet: unreachable{since_when}.",
        "It may still hold the plan. The portal keeps trying.",
    )


def _stop_filtering_pending(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    if mitigation.refusal_code == LOOP and mitigation.retry_at is not None:
        still = f"{mitigation.short} may still be filtering. The portal keeps trying."
        fact, rest = (
            "Stop request not delivered yet.",
            f"{mitigation.refusal} {still}",
        )
    elif mitigation.session.state == "up":
        fact, rest = "Stop request not confirmed yet.", "The portal is sending it."
    else:
        since_when = (
            f" since {since(mitigation.session.since, now)}" if mitigation.session.since else ""
        )
        fact = f"Stop request not confirmed yet: unreachable{since_when}."
        rest = "It may still be filtering. The portal keeps trying."
    return fact, f"{rest} {HOLDS_AGAIN}"


def _winding_down(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    at = mitigation.withdrawal_confirmed_at
    if mitigation.is_held_again and at is not None:
        return (
            f"Received the stop request {when(at, now)} and is winding down.",
            f"It may filter a little longer. {HOLDS_AGAIN}",
        )
    if at is None:
        return "Releasing the plan; this portal did not ask it to.", ""
    return f"Received the release request {when(at, now)}.", ""


def still_held(mitigation: MitigationFacts, now: datetime) -> str:
    return release_progress(
        mitigation.short,
        mitigation.release_tried_at,
        now,
        is_given_up=mitigation.is_release_given_up,
    )


def release_progress(
    provider: str, release_tried_at: datetime | None, now: datetime, *, is_given_up: bool
) -> str:
    """The risk of a plan that is still held, and what the portal does about it."""
    risk = f"{provider} may start it automatically when contact is lost."
    if is_given_up:
        return f"{risk} Retrying has not helped: call and ask for the plan to be removed."
    if release_tried_at is None:
        return f"{risk} The portal will retry."
    at = when(release_tried_at, now)
    return (
        f"{risk} The portal retried {at}, with a lifetime of one second, and is checking "
        f"whether it is gone."
    )


def tell_still_held(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    at = spaced_when(mitigation.withdrawal_confirmed_at, now)
    return f"Confirmed the withdrawal{at}, and still holds the plan.", still_held(mitigation, now)


def _terminated(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    if mitigation.sent_at is None:
        return f"Nothing had been sent to {mitigation.short}.", ""
    return f"Confirmed{spaced_when(mitigation.ended_at, now)} that it no longer holds the plan.", ""


def _withdrawn(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    at = spaced_when(mitigation.status_at or mitigation.ended_at or mitigation.last_heard_at, now)
    if mitigation.is_replaced:
        return f"Replaced{at} by the newer version of the plan.", ""
    is_waiting = mitigation.retry_at is not None and mitigation.retry_at > now
    again = f"Retrying {when(mitigation.retry_at, now)}." if is_waiting else ""
    return (
        f"{mitigation.short} stopped holding the plan{at}.",
        f"{mitigation.refusal} {again}".strip(),
    )


def _looped(mitigation: MitigationFacts, _now: datetime) -> tuple[str, str]:
    again = (
        f"The portal does not retry {mitigation.short} automatically. Ask it again when "
        f"they have fixed it."
    )
    asks = again if mitigation.withdrawal_asked_at is None else ""
    return f"The plan did not reach {mitigation.short}.", f"{mitigation.refusal} {asks}".strip()


def _expired(mitigation: MitigationFacts, now: datetime) -> tuple[str, str]:
    return (
        (
            f"The lifetime ran out{spaced_when(mitigation.ended_at, now, seconds=False)} and was "
            f"not renewed."
        ),
        "It should no longer hold the plan.",
    )


TELL: Final[dict[DisplayStatus, Callable[[MitigationFacts, datetime], tuple[str, str]]]] = {
    DisplayStatus.NOT_SENT: _not_sent,
    DisplayStatus.REQUESTED: _requested,
    DisplayStatus.NO_ANSWER: _no_answer,
    DisplayStatus.STANDBY: _held,
    DisplayStatus.ACCEPTED: _accepted,
    DisplayStatus.ATTACK_STOPPED: _attack_stopped,
    DisplayStatus.STOP_PENDING: _stop_pending,
    DisplayStatus.WINDING_DOWN: _winding_down,
    DisplayStatus.STILL_HELD: tell_still_held,
    DisplayStatus.TERMINATED: _terminated,
    DisplayStatus.WITHDRAWN: _withdrawn,
    DisplayStatus.LOOPED: _looped,
    DisplayStatus.EXPIRED: _expired,
}


def standby_summary(request: RequestFacts, now: datetime) -> list[str]:
    """What holding the plan means, and what is unknown about providers without contact."""
    holding = [
        mitigation
        for mitigation in request.started
        if display_status(mitigation, now) == DisplayStatus.STANDBY
    ]
    lost = [mitigation for mitigation in holding if has_lost_contact(mitigation, now)]
    if not lost:
        return [
            # Only about the plan: while a request made from it is live, a provider may filter.
            "A held plan filters nothing. A provider filters when you activate it,"
            " or automatically if it loses contact with you under attack."
        ]
    return [
        f"{mitigation.short}: {lost_at(mitigation, now)} {UNKNOWN_NOW.format(provider='it')}"
        for mitigation in lost
    ]


def activations(request: RequestFacts, now: datetime) -> list[str]:
    return [said for mitigation in request.started if (said := activation(mitigation, now))]


def held_again(request: RequestFacts) -> str:
    """What follows when the providers being withdrawn have stopped; empty if there are none."""
    stopping = [mitigation for mitigation in request.started if mitigation.is_held_again]
    if not stopping:
        return ""
    if len(stopping) < len(request.started):
        return (
            f"{listed([mitigation.short for mitigation in stopping])} will hold the plan again "
            f"after that."
        )
    return HOLDS_AGAIN if len(stopping) == 1 else "They will hold the plan again after that."


def end_sentence(request: RequestFacts, now: datetime) -> str:
    """A plan that a provider activated on its own is renewed only at the last moment, and some
    providers then stop (ADR 22).
    """
    ends = "It ends when the attack does, or when you stop it."
    if request.ends_at is None:
        return ends
    at = when(request.ends_at, now, seconds=False)
    return (
        f"{ends} Some providers also end it {at}: activate the plan before that to keep filtering."
    )


def terminated(confirmed: list[MitigationFacts], sent: list[MitigationFacts], everyone: str) -> str:
    """A plan that was turned off, or replaced."""
    if not sent:
        return "The plan is off. Nothing had been sent."
    if not confirmed and any(mitigation.is_replaced for mitigation in sent):
        return "Replaced by a newer version of the plan."
    if not confirmed:
        return "The plan is off. No provider held it."
    if len(confirmed) == len(sent) and len(confirmed) > 1:
        return f"The plan is off. {everyone} confirmed."
    return f"The plan is off. {listed([mitigation.short for mitigation in confirmed])} confirmed."
