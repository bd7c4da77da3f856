"""The status of each subscription's session, saved for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from portal.events.data import EventData
from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.providers.models import (
    PendingChange,
    SessionFault,
    SessionState,
    Subscription,
    Transport,
)
from portal.signaling.leasing import leases

MAX_DETAIL: Final = 300
MAX_EVENT_DETAIL: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """The known state of one subscription's session."""

    state: SessionState
    transport: str = ""
    detail: str = ""
    fault: SessionFault | None = None
    opened_at: datetime | None = None
    "when the session that is up was made; None: now"
    refusal: str = ""
    "the code with which the server refuses heartbeats; empty: it accepts them"
    not_followed: str = ""
    "why the last redirection was ignored, a NotFollowed of the client; empty: none was"
    pending_change: PendingChange | None = None
    "settings that the current session does not use yet"

    def without_text(self) -> SessionStatus:
        """The same status without text from outside, which a database may refuse."""
        pending = self.pending_change
        return replace(
            self,
            detail="",
            pending_change=None if pending is None else replace(pending, failure=""),
        )


def record_session(
    *, subscription_id: UUID, owner: str, status: SessionStatus, now: datetime
) -> None:
    """Save the status if `owner` still has the lease, with an event when the session goes up or
    stops being up.
    """
    rows = Subscription.objects.filter(pk=subscription_id)
    # Only the owner writes these columns, so nothing can change between this look and the lock.
    saved = rows.only("organization_id", "session_since", *_columns(status)).get()
    if not shows(saved, status):
        _record(saved.organization_id, subscription_id, owner, status, now)


@transaction.atomic
def _record(
    organization_id: UUID, subscription_id: UUID, owner: str, status: SessionStatus, now: datetime
) -> None:
    if not leases.still_owned(owner, [subscription_id]):
        return
    lock_log(organization_id)
    subscription = Subscription.objects.select_for_update().get(pk=subscription_id)
    changed = change(subscription, status, now)
    subscription.save(update_fields=changed.columns)
    if changed.is_event:
        append_session_event(subscription, detail=status.detail, now=now)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """What a status changes in a row."""

    columns: list[str]
    is_event: bool
    "the session went up, or stopped being up"


def change(subscription: Subscription, status: SessionStatus, now: datetime) -> StatusChange:
    """Change the row in memory."""
    previous = subscription.session_state
    columns = _begin_period(subscription, status, now)
    for name, value in _columns(status).items():
        setattr(subscription, name, value)
    is_up_or_down = status.state in (SessionState.UP, SessionState.DOWN)
    is_lost = previous == SessionState.UP and status.state != SessionState.UP
    is_event = is_lost or (is_up_or_down and status.state != previous)
    return StatusChange([*columns, *_columns(status)], is_event)


def _columns(status: SessionStatus) -> dict[str, Any]:
    return {
        "session_state": status.state.value,
        "session_transport": status.transport,
        "session_detail": status.detail[:MAX_DETAIL],
        "session_fault": status.fault.value if status.fault else "",
        "session_refusal": status.refusal,
        "redirection_ignored": status.not_followed,
        "pending_change": status.pending_change,
    }


def shows(saved: Subscription, status: SessionStatus) -> bool:
    """Whether saving the status would change nothing, as when a worker begins to connect after
    another one has stopped.
    """
    return (
        status.state != SessionState.UP
        and saved.session_since is not None
        and all(getattr(saved, name) == value for name, value in _columns(status).items())
    )


def append_session_event(subscription: Subscription, *, detail: str, now: datetime) -> None:
    """Tell open pages that a session came up, was lost, or cannot be opened.

    `session_statuses` writes the same for many subscriptions.
    """
    append_event(
        organization_id=subscription.organization_id,
        type=type_of(subscription),
        at=now,
        data=event_data(subscription, detail),
    )


def type_of(subscription: Subscription) -> EventType:
    """The type of the event with its session's state."""
    is_up = subscription.session_state == SessionState.UP
    return EventType.SESSION_UP if is_up else EventType.SESSION_DOWN


def event_data(subscription: Subscription, detail: str) -> EventData:
    return {
        "subscription": str(subscription.pk),
        "state": SessionState(subscription.session_state).value,
        "detail": detail[:MAX_EVENT_DETAIL],
        "fault": subscription.session_fault,
    }


def _begin_period(subscription: Subscription, status: SessionStatus, now: datetime) -> list[str]:
    """Set since when the session is up, or is not; return the changed columns.

    Connecting and unreachable count as one period: "unreachable since" is its beginning.
    """
    was_up, is_up = subscription.session_state == SessionState.UP, status.state == SessionState.UP
    since = subscription.session_since
    if is_up:
        since = status.opened_at or now
    elif was_up or since is None:
        since = now
    if is_up == was_up and since == subscription.session_since:
        return []
    columns = _remember_transports(subscription, status, since)
    subscription.session_since = since
    columns.append("session_since")
    if is_up:
        subscription.last_heard_at = since
        columns.append("last_heard_at")
    return columns


def _remember_transports(
    subscription: Subscription, status: SessionStatus, now: datetime
) -> list[str]:
    """Note when the transport of the new session, and the one it replaces, last worked; return the
    changed columns.
    """
    worked: dict[str, datetime] = {}
    left, heard_at = subscription.session_transport, subscription.last_heard_at
    if left and left != status.transport and heard_at is not None:
        worked[left] = heard_at
    if status.state == SessionState.UP:
        worked[status.transport] = now
    columns = {f"{name}_worked_at": at for name, at in worked.items() if name in Transport.values}
    for name, at in columns.items():
        setattr(subscription, name, at)
    return list(columns)


# A row that a submission or staff has locked is skipped: the next save has a newer time.
_HEARD: Final = """
UPDATE providers_subscription AS subscription SET last_heard_at = free.at
FROM (
    SELECT found.id, heard.at FROM providers_subscription AS found
    JOIN unnest(%s::uuid[], %s::timestamptz[]) AS heard (id, at) ON found.id = heard.id
    FOR NO KEY UPDATE OF found SKIP LOCKED
) AS free
WHERE subscription.id = free.id
"""


@transaction.atomic
def record_heard(*, owner: str, heard: Mapping[UUID, datetime]) -> None:
    """Save when the providers of these subscriptions were last heard, where `owner` still has the
    lease.
    """
    ours = leases.still_owned(owner, heard.keys())
    if not ours:
        return
    if connection.vendor != "postgresql":
        for subscription_id in ours:
            Subscription.objects.filter(pk=subscription_id).update(
                last_heard_at=heard[subscription_id]
            )
        return
    with connection.cursor() as cursor:
        cursor.execute(_HEARD, [list(ours), [heard[one] for one in ours]])
