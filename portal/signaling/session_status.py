"""The status of each subscription's session, saved for the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from portal.events.log import append_event, lock_log
from portal.events.models import EventType
from portal.providers.models import (
    PendingChange,
    SessionFault,
    SessionState,
    Subscription,
    Transport,
)
from portal.signaling import leases

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


@transaction.atomic
def record_session(
    *, subscription_id: UUID, owner: str, status: SessionStatus, now: datetime
) -> None:
    """Save the status if `owner` still has the lease, with an event when the session goes up or
    stops being up.
    """
    if not leases.still_owned(owner, [subscription_id]):
        return
    rows = Subscription.objects.filter(pk=subscription_id)
    lock_log(rows.values_list("organization_id", flat=True).get())
    subscription = rows.select_for_update().get()
    previous = subscription.session_state
    columns = _begin_period(subscription, status, now)
    subscription.session_state = status.state
    subscription.session_transport = status.transport
    subscription.session_detail = status.detail[:MAX_DETAIL]
    subscription.session_fault = status.fault or ""
    subscription.session_refusal = status.refusal
    subscription.redirection_ignored = status.not_followed
    subscription.pending_change = status.pending_change
    columns += ["session_state", "session_transport", "session_detail", "session_refusal"]
    columns += ["session_fault", "redirection_ignored", "pending_change"]
    subscription.save(update_fields=columns)
    is_up_or_down = status.state in (SessionState.UP, SessionState.DOWN)
    is_lost = previous == SessionState.UP and status.state != SessionState.UP
    if is_lost or (is_up_or_down and status.state != previous):
        append_session_event(subscription, detail=status.detail, now=now)


def append_session_event(subscription: Subscription, *, detail: str, now: datetime) -> None:
    """Tell open pages that a session came up, was lost, or cannot be opened.

    The only writer of these events.
    """
    state = SessionState(subscription.session_state)
    append_event(
        organization_id=subscription.organization_id,
        type=EventType.SESSION_UP if state == SessionState.UP else EventType.SESSION_DOWN,
        at=now,
        data={
            "subscription": str(subscription.pk),
            "state": state.value,
            "detail": detail[:MAX_EVENT_DETAIL],
            "fault": subscription.session_fault,
        },
    )


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
