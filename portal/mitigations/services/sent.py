"""Save that many requests were sent with a few statements, each as `record_sent` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.many_rows import lock_free_rows
from portal.events.data import EventData
from portal.events.log import ReportedEvent, append_counted, lock_free_logs
from portal.events.models import Event, EventType
from portal.mitigations.models import Mitigation


@dataclass(frozen=True, slots=True)
class Sent:
    """A request whose first copy was sent."""

    mitigation_id: UUID
    at: datetime


def record_several_sent(several: Sequence[Sent]) -> set[UUID]:
    """Returns the mitigations with an event that they were sent, of now or of before.

    Must run in a transaction. Locks mitigations and counters in this order and never waits for
    one: what another transaction has locked is not saved.
    """
    sent_at = {one.mitigation_id: one.at for one in several}
    columns = ("id", "organization_id", "request_id", "status")
    free = lock_free_rows(Mitigation, columns, list(sent_at))
    # Read under the locks: another process may have just written one.
    written = Event.objects.filter(
        mitigation_id__in=[pk for pk, *_ in free], type=EventType.MITIGATION_SENT
    )
    saved = set(written.values_list("mitigation_id", flat=True))
    events = {
        pk: ReportedEvent(
            organization_id=organization_id,
            type=EventType.MITIGATION_SENT,
            at=sent_at[pk],
            data=EventData(status=status, previous=status),
            request_id=request_id,
            mitigation_id=pk,
        )
        for pk, organization_id, request_id, status in free
        if pk not in saved
    }
    counted = lock_free_logs(Counter(one.organization_id for one in events.values()))
    new = {pk: one for pk, one in events.items() if one.organization_id in counted}
    append_counted(sorted(new.values(), key=lambda one: one.at), counted)
    return {pk for pk, *_ in free if pk in saved or pk in new}
