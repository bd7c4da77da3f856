"""What is known about a session, written down for the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.mitigations.models import EventType
from portal.mitigations.services import append_event
from portal.mitigations.services.log import lock_log
from portal.providers.models import SessionState, Subscription, Transport

MAX_DETAIL: Final = 300


@transaction.atomic
def record_session(
    *,
    subscription_id: UUID,
    owner: str,
    state: SessionState,
    now: datetime,
    transport: str = "",
    detail: str = "",
) -> None:
    """Write the session's state if `owner` still holds it; an event when it goes up or stops being up."""
    held = Subscription.objects.filter(pk=subscription_id, owner=owner)
    organization_id = held.values_list("organization_id", flat=True).first()
    if organization_id is None:
        return
    lock_log(organization_id)
    subscription = held.select_for_update().first()
    if subscription is None:
        return
    previous = subscription.session_state
    columns = ["session_state", "session_transport", "session_detail"]
    columns += _remember_transports(subscription, state, transport, now)
    subscription.session_state = state
    subscription.session_transport = transport
    subscription.session_detail = detail[:MAX_DETAIL]
    is_news = (state == SessionState.UP) != (previous == SessionState.UP)
    # Connecting and unreachable are one spell: "unreachable since" is when it began.
    if is_news or subscription.session_since is None:
        subscription.session_since = now
        columns.append("session_since")
    if state == SessionState.UP:
        subscription.last_heard_at = now
        columns.append("last_heard_at")
    subscription.save(update_fields=columns)
    if is_news or (state == SessionState.DOWN and previous != SessionState.DOWN):
        append_event(
            organization_id=subscription.organization_id,
            type=EventType.SESSION_UP if state == SessionState.UP else EventType.SESSION_DOWN,
            at=now,
            data={
                "subscription": str(subscription.pk),
                "state": state.value,
                "detail": detail[:100],
            },
        )


def _remember_transports(
    subscription: Subscription, state: SessionState, transport: str, now: datetime
) -> list[str]:
    """Note what works, and of what is left until when it did; the columns that changed."""
    worked: dict[str, datetime] = {}
    left, heard_at = subscription.session_transport, subscription.last_heard_at
    if left and left != transport and heard_at is not None:
        worked[left] = heard_at
    if state == SessionState.UP:
        worked[transport] = now
    columns = {f"{name}_worked_at": at for name, at in worked.items() if name in Transport.values}
    for name, at in columns.items():
        setattr(subscription, name, at)
    return list(columns)


def record_heard(*, subscription_id: UUID, owner: str, now: datetime) -> None:
    Subscription.objects.filter(pk=subscription_id, owner=owner).update(last_heard_at=now)
