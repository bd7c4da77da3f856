"""The next action for one mitigation: a pure function of what is wanted, what was observed, and the
time.

A live session calls it on every wake-up, message, timer and sweep, so a lost task or a dead worker
costs only a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final
from uuid import UUID

from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.queries import shares_target
from portal.mitigations.release import release_due_at
from portal.mitigations.states import (
    ACTIVE,
    CONFIRMED,
    IN_STANDBY,
    LOOP,
    NOT_SENDABLE,
    Status,
)

POLL_AFTER: Final = timedelta(seconds=15)
"""Poll a live mitigation about which nothing was heard for this long (RFC 9132 section 4.4.2.2)."""
POLL_ENDING_AFTER: Final = timedelta(seconds=5)
"""The same for one that is terminating: its end may come without a notification."""
CLOCKS_APART: Final = timedelta(seconds=60)
RENEW_AFTER: Final = 0.4
"""A renewal is due after this share of the granted lifetime: before half of it, which leaves time
for many retries.
"""
LAST_CALL: Final = timedelta(seconds=60)
LAST_CALL_SHARE: Final = 0.1
"""The last renewal, which nothing delays, is sent LAST_CALL before the end, or this share of a
short lifetime.
"""
FRESH: Final = timedelta(seconds=5)
"""An older status does not show that the provider still only holds a plan."""


class Action(Enum):
    """What a live session does on the wire."""

    REQUEST = "PUT until it is answered"
    REFRESH = "PUT the same again"
    EFFICACY = "PUT with an empty If-Match"
    WITHDRAW = "DELETE until it is answered"
    RELEASE = "PUT with a lifetime of 1, to end what a DELETE did not"
    POLL = "GET"
    WAIT = "nothing yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAction:
    """An action for now, or WAIT with the time to decide again (None: only a wake-up changes
    anything).
    """

    action: Action
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MitigationHistory:
    """What the current session has shown about one mitigation.

    A new session has shown nothing: `MitigationHistory()`.
    """

    is_introduced: bool = False
    "a PUT or GET of the mitigation was answered on it; some servers push nothing before that"
    is_absent: bool = False
    "the last GET was answered with 4.04"
    dots_status: int | None = None
    "the last reported status (RFC 9132 Table 3); None: nothing on this session"
    reported_at: datetime | None = None
    tells_no_status: bool = False
    "the server answered the last GET, so the session is alive, but the answer had no status"
    waits_for_older: bool = False
    """the provider filters, or may filter, for an older version of the plan, which this PUT
    would end
    """
    not_before: Mapping[Action, datetime] = field(default_factory=dict)
    "when each action that just began, or failed, may begin again"


Due = tuple[Action, datetime]
"""An action and when it becomes due."""


def next_action(mitigation: Mitigation, session: MitigationHistory, now: datetime) -> NextAction:
    """The most urgent action that is due and not paused, so that a failing action never delays the
    rest.
    """
    soonest: datetime | None = None
    for action, due_at in _due(mitigation, session, now):
        at = max(due_at, session.not_before.get(action, due_at))
        if at <= now:
            return NextAction(action=action)
        soonest = at if soonest is None else min(soonest, at)
    return NextAction(action=Action.WAIT, at=soonest)


def _due(mitigation: Mitigation, session: MitigationHistory, now: datetime) -> Sequence[Due]:
    """All actions to do, the most urgent first."""
    status = Status(mitigation.status)
    if mitigation.wanted == Wanted.WITHDRAWN:
        return _due_to_end(mitigation, status, session, now)
    if status == Status.PENDING:
        return _due_to_request(mitigation, session, now)
    if status == Status.WITHDRAWN:
        return [_poll(mitigation, POLL_AFTER, now)]
    if status not in CONFIRMED:
        return [_poll(mitigation, POLL_ENDING_AFTER, now)]
    if mitigation.request.is_immediate:
        return _due_for_immediate(mitigation, session, now)
    return _due_for_plan(mitigation, session, now)


_URGENCY: Final = {
    Action.WITHDRAW: 0,
    Action.REQUEST: 1,
    Action.REFRESH: 1,
    Action.RELEASE: 1,
    Action.EFFICACY: 2,
    Action.POLL: 3,
    Action.WAIT: 4,
}


def gives_way(running: Action, *, to: Action) -> bool:
    """Whether an action now due interrupts the running one, which starts over afterwards."""
    return _URGENCY[to] < _URGENCY[running]


def waits_for_older(
    mitigation: Mitigation, others: Iterable[Mitigation], *, is_known: Callable[[UUID], bool]
) -> bool:
    """Whether a lost session may have started an older version of this plan, which a server would
    drop for the newer one (RFC 9132 section 4.4.1.3).

    `others`: mitigations of the same subscription; `is_known`: whether this session has shown what
    the provider does about one.
    """
    if mitigation.status != Status.PENDING or mitigation.request.is_immediate:
        return False
    return any(
        _may_act(other, is_known=is_known)
        and other.mid < mitigation.mid
        and shares_target(other, mitigation)
        for other in others
    )


def _may_act(plan: Mitigation, *, is_known: Callable[[UUID], bool]) -> bool:
    if plan.wanted == Wanted.WITHDRAWN or plan.request.is_immediate:
        return False
    return plan.status in ACTIVE or (plan.status == Status.STANDBY and not is_known(plan.pk))


def _due_to_end(
    mitigation: Mitigation, status: Status, session: MitigationHistory, now: datetime
) -> Sequence[Due]:
    if status != Status.TERMINATING:
        return []
    if mitigation.withdrawal_confirmed_at is not None:
        if mitigation.is_still_held:
            return _due_to_release(mitigation, session, now)
        return [_poll(mitigation, POLL_ENDING_AFTER, now)]
    if mitigation.refusal_code in (LOOP, NOT_SENDABLE):
        return [(Action.WITHDRAW, mitigation.retry_at or now)]
    return [(Action.WITHDRAW, now), _poll(mitigation, POLL_AFTER, now)]


def _due_to_release(
    mitigation: Mitigation, session: MitigationHistory, now: datetime
) -> Sequence[Due]:
    """Some servers confirm the DELETE of a standby mitigation and keep it: a later loss would start
    it (go-dots).
    """
    if mitigation.is_release_given_up:
        return [_poll(mitigation, POLL_AFTER, now)]
    found = [_poll(mitigation, POLL_ENDING_AFTER, now)]
    if session.dots_status == IN_STANDBY:
        due_at = release_due_at(mitigation.release_tried_at, mitigation.release_tries, now)
        found.insert(0, _once_fresh((Action.RELEASE, due_at), session, now))
    return found


def _due_to_request(
    mitigation: Mitigation, session: MitigationHistory, now: datetime
) -> Sequence[Due]:
    due_at = mitigation.retry_at or now
    if mitigation.request.is_immediate:
        return [(Action.REQUEST, due_at)]
    if session.waits_for_older:
        return []
    if _may_have_been_activated(mitigation, session, now):
        return [(Action.POLL, due_at)]
    return [(Action.REQUEST, due_at)]


def _may_have_been_activated(
    mitigation: Mitigation, session: MitigationHistory, now: datetime
) -> bool:
    """The loss of the session that sent a plan may have started the plan, and the PUT would stop
    it.
    """
    puts = [at for at in (mitigation.last_sent_at, mitigation.refreshed_at) if at is not None]
    if not puts or session.is_introduced or session.is_absent:
        return False
    lifetime_s = mitigation.lifetime_s
    return lifetime_s < 0 or now < max(puts) + timedelta(seconds=lifetime_s)


def _due_for_immediate(
    mitigation: Mitigation, session: MitigationHistory, now: datetime
) -> Sequence[Due]:
    """A confirmed mitigation of an immediate request."""
    found: list[Due] = []
    if not session.is_introduced or mitigation.is_extended:
        found.append((Action.REFRESH, mitigation.retry_at or now))
    found += _renewals(mitigation)
    if mitigation.efficacy_asked_at != mitigation.efficacy_answered_at:
        found.append((Action.EFFICACY, mitigation.efficacy_retry_at or now))
    return [*found, _poll(mitigation, POLL_AFTER, now)]


def _due_for_plan(
    mitigation: Mitigation, session: MitigationHistory, now: datetime
) -> Sequence[Due]:
    """A confirmed mitigation of a plan, which the provider holds or has activated.

    Each PUT for it has trigger-mitigation false, which some servers read as an order to stop what
    the loss of a session started. So the PUT is sent only while the provider has recently reported
    on this session that it only holds the plan, or when the mitigation ends anyway (ADR 22).
    """
    latest = last_call(mitigation)
    found: list[Due] = [] if latest is None else [(Action.REFRESH, latest)]
    if session.dots_status is None or _is_unproved(mitigation):
        found.append((Action.POLL, now))
    if session.dots_status == IN_STANDBY:
        asked = [(Action.REFRESH, now)] if mitigation.is_extended else []
        found += [_once_fresh(due, session, now) for due in (*asked, *_renewals(mitigation))]
    return [*found, _poll(mitigation, POLL_AFTER, now)]


def _once_fresh(due: Due, session: MitigationHistory, now: datetime) -> Due:
    """The PUT, or first the GET that shows whether the PUT may be sent.

    A refused GET does not delay the PUT, since a server that answers has not lost the session.
    Silence does, until the last call.
    """
    reported_at = session.reported_at
    is_fresh = reported_at is not None and now - reported_at <= FRESH
    may_poll = session.not_before.get(Action.POLL, now) <= now
    if is_fresh or (session.tells_no_status and not may_poll):
        return due
    return Action.POLL, due[1]


def _is_unproved(mitigation: Mitigation) -> bool:
    """The plan was refreshed, and no status has shown since that it is still held in standby."""
    reported, refreshed = mitigation.reported_at, mitigation.refreshed_at
    return refreshed is not None and (reported is None or reported < refreshed)


def _renewals(mitigation: Mitigation) -> Sequence[Due]:
    """The renewal before half of the lifetime is over, or later if the provider asks us to wait, up
    to the last call.
    """
    began, expires = _granted(mitigation)
    latest = last_call(mitigation)
    if began is None or expires is None or latest is None:
        return []
    due_at = began + (expires - began) * RENEW_AFTER
    return [(Action.REFRESH, min(max(due_at, mitigation.retry_at or due_at), latest))]


def last_call(mitigation: Mitigation) -> datetime | None:
    """The latest time to send the renewal before the mitigation expires. None: it has no end, or
    must not be renewed.
    """
    began, expires = _granted(mitigation)
    if not mitigation.request.auto_renew or began is None or expires is None:
        return None
    return expires - min(LAST_CALL, (expires - began) * LAST_CALL_SHARE)


def _granted(mitigation: Mitigation) -> tuple[datetime | None, datetime | None]:
    """Begin and end of the granted lifetime. If only a report confirmed the mitigation, it begins
    with the report.
    """
    return mitigation.refreshed_at or mitigation.confirmed_at, mitigation.expires_at


def _poll(mitigation: Mitigation, after: timedelta, now: datetime) -> Due:
    heard = mitigation.last_heard_at or mitigation.asked_at
    if heard > now + CLOCKS_APART:
        return Action.POLL, now  # the clock was set back since
    return Action.POLL, heard + after


def lifetime_to_ask(mitigation: Mitigation, now: datetime) -> int:
    """The lifetime for a PUT: the requested one, or what remains of it for a request that must not
    renew automatically.
    """
    request = mitigation.request
    until = mitigation.expires_at or request.requested_until
    if request.auto_renew or mitigation.is_extended or until is None:
        return mitigation.lifetime_s
    remaining = max(1, (until - now) // timedelta(seconds=1))
    return remaining if mitigation.expires_at else min(mitigation.lifetime_s, remaining)
