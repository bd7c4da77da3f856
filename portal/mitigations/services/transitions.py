"""Write one transition of a mitigation: its status from the table, its columns and its event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.metrics import SUBMIT_TO_CONFIRMED
from portal.events.data import EventData
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations import queries
from portal.mitigations.models import (
    Mitigation,
    RequestKind,
    Wanted,
)
from portal.mitigations.plan_ends import filtering_end
from portal.mitigations.services.mitigation_columns import MitigationColumns
from portal.mitigations.states import (
    ACTIVE,
    CONFIRMED,
    SET_BACK,
    TERMINAL,
    Status,
    Trigger,
    next_status,
)

FIRST_RETRY_S: Final = 30
MAX_RETRY_S: Final = 600

OF_ONE_ACTIVATION: Final[MitigationColumns] = {
    "mitigating_at": None,
    "mitigation_start": None,
    "bytes_dropped": None,
    "pkts_dropped": None,
    "bps_dropped": None,
    "pps_dropped": None,
    "counters_at": None,
    "counters_since": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One mitigation's change: what happened, the columns it sets, and the event it writes."""

    mitigation_id: UUID
    trigger: Trigger | None = None
    "None: columns change, but not the status"
    columns: MitigationColumns = field(default_factory=MitigationColumns)
    event_data: EventData = field(default_factory=EventData)
    "in the event, besides status and previous"
    event: EventType | None = None
    "None: write an event only if the status changes"
    actor: Actor | None = None


def apply(mitigation: Mitigation, transition: Transition, *, now: datetime) -> None:
    """Write one transition of a locked mitigation, with its event. `settle` must follow."""
    previous = Status(mitigation.status)
    trigger = transition.trigger and _wanted_trigger(mitigation, transition.trigger)
    status = next_status(previous, trigger) if trigger else previous
    columns = MitigationColumns()
    if status != previous:
        # The transition's own columns win, such as a retry time named by the provider.
        columns = {"status": status, **_end_or_setback(mitigation, previous, status, now)}
        columns |= _filtering(mitigation, transition, status, now)
        if trigger == Trigger.UNWANTED:
            columns |= {"withdrawal_asked_at": now, "withdrawal_confirmed_at": None}
    columns |= transition.columns
    if mitigation.unsaved_at is not None and "last_heard_at" in transition.columns:
        columns["unsaved_at"] = None
    if status == Status.MITIGATING and mitigation.mitigating_at is None:
        columns["mitigating_at"] = now
    if previous == Status.PENDING and status in CONFIRMED:
        waited_s = max(0.0, (now - mitigation.asked_at).total_seconds())
        confirmed = SUBMIT_TO_CONFIRMED.labels(mitigation.subscription.provider.name)
        transaction.on_commit(partial(confirmed.observe, waited_s))
    for name, value in columns.items():
        setattr(mitigation, name, value)
    if columns:
        mitigation.save(update_fields=list(columns))
    event = transition.event or (EventType.MITIGATION_STATUS if status != previous else None)
    if event:
        append_event(
            organization_id=mitigation.organization_id,
            type=event,
            at=now,
            request=mitigation.request,
            mitigation=mitigation,
            actor=transition.actor,
            data={"status": status.value, "previous": previous.value, **transition.event_data},
        )


def retry_at(setbacks: int, now: datetime) -> datetime:
    """When to retry after this many failures in a row."""
    wait_s = min(FIRST_RETRY_S * 2 ** (setbacks - 1), MAX_RETRY_S)
    return now + timedelta(seconds=wait_s)


def _wanted_trigger(mitigation: Mitigation, trigger: Trigger) -> Trigger:
    """`trigger`, or UNWANTED if it would confirm a mitigation that the portal no longer wants:
    otherwise nothing would end it.
    """
    is_wanted = mitigation.wanted == Wanted.ACTIVE
    if is_wanted or next_status(Status(mitigation.status), trigger) not in CONFIRMED:
        return trigger
    return Trigger.UNWANTED


def _end_or_setback(
    mitigation: Mitigation, previous: Status, status: Status, now: datetime
) -> MitigationColumns:
    """The columns for an end, or for a setback and its retry."""
    if status in SET_BACK:
        setbacks = mitigation.setbacks + 1
        return {"ended_at": now, "setbacks": setbacks, "retry_at": retry_at(setbacks, now)}
    if status in TERMINAL:
        return {"ended_at": now}
    columns = MitigationColumns()
    if previous in SET_BACK:
        columns["ended_at"] = None
    if status == Status.PENDING:
        # Copies are counted since the last request.
        columns["sends"] = 0
    if status == Status.STANDBY:
        # Rearmed: what it did while active is in the log.
        columns |= OF_ONE_ACTIVATION
    if status in CONFIRMED:
        columns["setbacks"] = 0
    return columns


def _filtering(
    mitigation: Mitigation, transition: Transition, status: Status, now: datetime
) -> MitigationColumns:
    """What a change to `status` means for the filtering of a plan: it ended on its own, or started
    again.
    """
    if mitigation.request.kind != RequestKind.STANDBY or transition.trigger is None:
        return {}
    if status in ACTIVE:
        return {"filtering_end": None}
    end = filtering_end(
        mitigation,
        transition.trigger,
        status,
        now=now,
        conflict=transition.columns.get("conflict"),
        newer=partial(queries.newer_for_help_now, mitigation),
    )
    return {} if end is None else {"filtering_end": end}
