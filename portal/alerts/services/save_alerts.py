"""Save the alerts of several payloads of one organization in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Value, When

from portal.alerts.alert import Alert, Rejection
from portal.alerts.models import AlertEndpoint, AlertPayload
from portal.alerts.services.act_by_policy import PolicyActs
from portal.alerts.services.fold import Fold
from portal.alerts.services.gather import gather
from portal.alerts.services.incident_lock import lock_incidents
from portal.alerts.services.incident_rows import IncidentRows
from portal.core.targets import Territory

MAX_REJECTIONS: Final = 50
"""Named for one payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Alerts of one payload."""

    payload_id: UUID
    alerts: Sequence[Alert]
    rejections: Sequence[Rejection] | None
    "of the last part, after which the payload no longer waits"


@transaction.atomic
def save_alerts(organization_id: UUID, parts: Sequence[Part], territory: Territory) -> int:
    """Save parts in their order; those of a payload that is gone, or no longer waits, are left out.
    Returns how many payloads are mapped.
    """
    lock_incidents(organization_id)
    # They may have been changed, mapped or removed while this waited.
    waiting = AlertPayload.objects.filter(is_waiting=True).select_related("endpoint")
    payloads = waiting.defer("body").in_bulk({one.payload_id for one in parts})
    found = [(payloads[one.payload_id], one) for one in parts if one.payload_id in payloads]
    fold = Fold(
        organization_id,
        {
            (payload.endpoint_id, alert.event_id, payload.is_test)
            for payload, part in found
            for alert in part.alerts
        },
    )
    rows = IncidentRows(
        organization_id, fold.rows, [alert.targets for _, part in found for alert in part.alerts]
    )

    def save() -> None:
        fold.save()
        rows.save()

    policies = PolicyActs(rows, save)
    for payload, part in found:
        for alert in part.alerts:
            folded = fold.add(
                payload.endpoint, alert, territory, payload.received_at, is_test=payload.is_test
            )
            proposal = gather(rows, folded, payload.received_at)
            if proposal is not None:
                policies.act(proposal, folded.row, payload.received_at)
    mapped = [(payload, part.rejections) for payload, part in found if part.rejections is not None]
    _end_waiting(mapped)
    save()
    return len(mapped)


def _end_waiting(mapped: Collection[tuple[AlertPayload, Sequence[Rejection]]]) -> None:
    _note_use([payload for payload, _ in mapped if not payload.is_test])
    done = [payload.pk for payload, rejections in mapped if not rejections]
    if done:
        AlertPayload.objects.filter(pk__in=done).delete()
    for payload, rejections in mapped:
        if rejections:
            payload.is_waiting = False
            payload.rejections = tuple(rejections[:MAX_REJECTIONS])
            payload.save(update_fields=["is_waiting", "rejections"])


def _note_use(payloads: Collection[AlertPayload]) -> None:
    used: dict[UUID, datetime] = {}
    for payload in payloads:
        latest = used.get(payload.endpoint_id, payload.endpoint.last_used_at)
        if latest is None or latest < payload.received_at:
            used[payload.endpoint_id] = payload.received_at
    if used:
        times = [When(pk=pk, then=Value(at)) for pk, at in used.items()]
        AlertEndpoint.objects.filter(pk__in=used).update(last_used_at=Case(*times))
