"""Find sessions that pages show as up although no worker has their lease any more."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from portal.events.log import lock_log
from portal.providers.models import SessionFault, SessionState, Subscription
from portal.signaling.leasing import leases
from portal.signaling.store.session_status import append_session_event

MAX_ORPHANS: Final = 200
"""One sweep marks at most this many; the next continues."""


def mark_orphans(*, now: datetime) -> int:
    """Show these sessions as down, and tell open pages. Returns how many there were."""
    orphans = _orphans(now).order_by("pk").values_list("pk", "organization_id")
    return sum(_mark_orphan(pk, organization, now) for pk, organization in orphans[:MAX_ORPHANS])


def _orphans(now: datetime) -> QuerySet[Subscription]:
    return Subscription.objects.filter(session_state=SessionState.UP).exclude(leases.is_owned(now))


@transaction.atomic
def _mark_orphan(subscription_id: UUID, organization_id: UUID, now: datetime) -> bool:
    lock_log(organization_id)
    subscription = _orphans(now).select_for_update(of=("self",)).filter(pk=subscription_id).first()
    if subscription is None:
        return False
    subscription.session_state = SessionState.DOWN
    subscription.session_since = now
    subscription.session_detail = ""
    subscription.session_fault = SessionFault.NO_WORKER
    subscription.pending_change = None
    subscription.save(
        update_fields=[
            "session_state",
            "session_since",
            "session_detail",
            "session_fault",
            "pending_change",
        ]
    )
    append_session_event(subscription, detail="", now=now)
    return True
