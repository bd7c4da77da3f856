"""Save the statuses of many sessions in one transaction: after a start, or after an outage of a
provider, a thousand change at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.core.many_rows import update_many
from portal.events.log import ReportedEvent, append_counted, lock_free_logs
from portal.providers.models import Subscription
from portal.signaling.store.session_status import (
    SessionStatus,
    change,
    event_data,
    shows,
    type_of,
)

WRITTEN: Final = (
    "session_state",
    "session_transport",
    "session_detail",
    "session_fault",
    "session_refusal",
    "redirection_ignored",
    "session_since",
    "last_heard_at",
    "dtls_worked_at",
    "tls_worked_at",
)


@dataclass(frozen=True, slots=True)
class ReportedStatus:
    """The status of one subscription's session since `at`."""

    subscription_id: UUID
    status: SessionStatus
    at: datetime


def record_sessions(reports: Sequence[ReportedStatus]) -> set[UUID]:
    """Save the statuses. Returns the subscriptions whose rows show them now; `record_session` must
    save the others.

    The transaction holds the leases. It waits for no lock: what another transaction has locked is
    left out. So is a session whose settings have changed since it was opened.
    """
    plain = {one.subscription_id: one for one in reports if one.status.pending_change is None}
    free = Subscription.objects.select_for_update(no_key=True, skip_locked=True)
    rows = free.filter(pk__in=plain, pending_change__isnull=True).order_by("pk")
    shown: set[UUID] = set()
    changed: list[Subscription] = []
    events: dict[UUID, ReportedEvent] = {}
    for row in rows.only("organization_id", "pending_change", *WRITTEN):
        report = plain[row.pk]
        if shows(row, report.status):
            shown.add(row.pk)
            continue
        changed.append(row)
        if change(row, report.status, report.at).is_event:
            events[row.pk] = _event(row, report)
    logs = lock_free_logs(Counter(one.organization_id for one in events.values()))
    changed = [one for one in changed if one.pk not in events or one.organization_id in logs]
    update_many(Subscription, WRITTEN, [_values(one) for one in changed])
    append_counted([events[one.pk] for one in changed if one.pk in events], logs)
    return shown | {one.pk for one in changed}


def _values(row: Subscription) -> list[object]:
    return [row.pk, *(getattr(row, name) for name in WRITTEN)]


def _event(row: Subscription, report: ReportedStatus) -> ReportedEvent:
    return ReportedEvent(
        organization_id=row.organization_id,
        type=type_of(row),
        at=report.at,
        data=event_data(row, report.status.detail),
    )
