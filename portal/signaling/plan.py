"""What to do next about one mitigation: a pure function of what is wanted, what was observed, and the time.

The agent asks it on every wake-up, message, timer and sweep, so a lost task or a dead worker costs a moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import CONFIRMED, LOOP, Status

POLL_AFTER: Final = timedelta(seconds=15)
"""Ask for the status when nothing was heard of a live mitigation for so long (RFC 9132 section 4.4.2.2)."""
POLL_ENDING_AFTER: Final = timedelta(seconds=5)
"""The same while it winds down: the end may come without a notification."""
CLOCKS_APART: Final = timedelta(seconds=60)
RENEW_AT: Final = 2
"""A refresh is due when 1/RENEW_AT of the granted lifetime is left: time for many lost tries."""


class Action(Enum):
    """What the agent does on the wire."""

    REQUEST = "PUT until it is answered"
    REFRESH = "PUT the same again"
    EFFICACY = "PUT with an empty If-Match"
    WITHDRAW = "DELETE until it is answered"
    POLL = "GET"
    WAIT = "nothing yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """An action for now, or WAIT with the time of the next look (None: only a wake-up changes anything)."""

    action: Action
    at: datetime | None = None


def next_action(mitigation: Mitigation, *, is_introduced: bool, now: datetime) -> Next:
    """`is_introduced`: the present session has carried a PUT, or an answered GET, of this mitigation.

    Some servers push only what was PUT on the present session (a refresh introduces it).
    """
    status = Status(mitigation.status)
    if mitigation.wanted == Wanted.WITHDRAWN:
        return _end(mitigation, status, now)
    if status == Status.PENDING:
        return _after(mitigation.retry_at, Action.REQUEST, now)
    if status == Status.WITHDRAWN:
        return _poll(mitigation, POLL_AFTER, now)
    if status in CONFIRMED:
        return _keep(mitigation, is_introduced=is_introduced, now=now)
    return _poll(mitigation, POLL_ENDING_AFTER, now)


def _end(mitigation: Mitigation, status: Status, now: datetime) -> Next:
    if status != Status.TERMINATING:
        return Next(action=Action.WAIT)
    if mitigation.withdrawal_confirmed_at is None:
        again_at = mitigation.retry_at if mitigation.refusal_code == LOOP else None
        return _after(again_at, Action.WITHDRAW, now)
    return _poll(mitigation, POLL_ENDING_AFTER, now)


def _keep(mitigation: Mitigation, *, is_introduced: bool, now: datetime) -> Next:
    if not is_introduced or is_extended(mitigation):
        return Next(action=Action.REFRESH)
    if _is_unproved(mitigation):
        return Next(action=Action.POLL)
    if mitigation.efficacy_asked_at != mitigation.efficacy_answered_at:
        return Next(action=Action.EFFICACY)
    poll = _poll(mitigation, POLL_AFTER, now)
    renewal = _renewal(mitigation)
    if renewal is None or poll.action == Action.POLL:
        return poll
    if renewal <= now:
        return Next(action=Action.REFRESH)
    return Next(action=Action.WAIT, at=min(renewal, poll.at or renewal))


def is_extended(mitigation: Mitigation) -> bool:
    """A person extended it, and the provider has not confirmed that yet."""
    asked, refreshed = mitigation.refresh_asked_at, mitigation.refreshed_at
    return asked is not None and (refreshed is None or refreshed < asked)


def _is_unproved(mitigation: Mitigation) -> bool:
    """A plan was refreshed, and no status says yet that it is still held in standby."""
    reported, refreshed = mitigation.reported_at, mitigation.refreshed_at
    if mitigation.request.is_immediate or refreshed is None:
        return False
    return reported is None or reported < refreshed


def _renewal(mitigation: Mitigation) -> datetime | None:
    expires, refreshed = mitigation.expires_at, mitigation.refreshed_at
    if not mitigation.request.auto_renew or expires is None or refreshed is None:
        return None
    return expires - (expires - refreshed) / RENEW_AT


def _poll(mitigation: Mitigation, after: timedelta, now: datetime) -> Next:
    heard = mitigation.last_heard_at or mitigation.asked_at
    if heard > now + CLOCKS_APART:
        return Next(action=Action.POLL)  # the clock was set back since
    return _after(heard + after, Action.POLL, now)


def _after(at: datetime | None, action: Action, now: datetime) -> Next:
    return Next(action=action) if at is None or at <= now else Next(action=Action.WAIT, at=at)


def lifetime_to_ask(mitigation: Mitigation, now: datetime) -> int:
    """The lifetime of a PUT: what was asked; for one that must not renew itself, what is left of it."""
    is_asked_for = (
        mitigation.request.auto_renew or mitigation.expires_at is None or is_extended(mitigation)
    )
    if is_asked_for:
        return mitigation.lifetime_s
    remaining = mitigation.lifetime_remaining_s(now)
    return max(1, remaining) if remaining is not None else mitigation.lifetime_s
