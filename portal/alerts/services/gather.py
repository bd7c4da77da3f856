"""Gather the alerts of all detectors about the same targets in one incident, and propose help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from portal.alerts.alert import MAX_TARGETS
from portal.alerts.models import (
    AlertProposal,
    AlertVerdict,
    Incident,
    IncidentState,
    ReceivedAlert,
)
from portal.alerts.services.fold import Folded
from portal.alerts.services.incident_rows import IncidentRows
from portal.alerts.services.propose_mitigation import propose
from portal.core.targets import Targets
from portal.events.log import NewEvent, append_event
from portal.events.models import EventType

MAX_OPEN_INCIDENTS: Final = 200
"""of one organization. Further alerts are listed and belong to no incident."""
HEARTBEAT: Final = timedelta(seconds=10)
"""Repeats move the time of an incident this often at most."""


def gather(rows: IncidentRows, found: Folded, now: datetime) -> AlertProposal | None:
    """Put an alert into its incident. Returns the open proposal to mitigate that it confirms.

    A repeat is only a heartbeat. An alert about other targets than the organization's own, and a
    test, belong to no incident.
    """
    row = found.row
    if row.is_test or row.verdict != AlertVerdict.OURS:
        return None
    incident = rows.incident(row.incident_id)
    if incident is not None and incident.is_open and not found.is_news:
        if incident.last_at < now - HEARTBEAT:
            incident.last_at = now
            rows.change(incident)
        return None
    if incident is None or not incident.is_open:
        if row.ended_at is not None or not row.has_begun:
            return None
        incident = _open_incident(rows, row, now)
    if incident is None:
        return None
    row.incident = incident
    alerts = rows.alerts(incident)
    alerts[row.pk] = row
    _add(incident, row, list(alerts.values()), now)
    rows.change(incident)
    return _settle(rows, incident, list(alerts.values()), now)


def _open_incident(rows: IncidentRows, row: ReceivedAlert, now: datetime) -> Incident | None:
    """The open incident about the same targets, else a new one; None if too many are open."""
    for incident in rows.open_ones():
        # The union last: most incidents share no target.
        if incident.targets.shares_with(row.targets):
            joint = Targets.union([incident.targets, row.targets])
            if len(joint) <= MAX_TARGETS:
                return incident
    if rows.open_count >= MAX_OPEN_INCIDENTS:
        return None
    incident = Incident(
        organization_id=row.organization_id, began_at=now, last_at=now, targets=row.targets
    )
    rows.begin(incident)
    rows.tell(**_event(incident, EventType.INCIDENT_BEGAN, now))
    return incident


def _add(
    incident: Incident, row: ReceivedAlert, alerts: Sequence[ReceivedAlert], now: datetime
) -> None:
    """What the alert adds. `alerts`: all of the incident, with this one."""
    if not set(row.targets.texts) <= set(incident.targets.texts):
        joint = Targets.union([incident.targets, row.targets])
        if len(joint) <= MAX_TARGETS:
            incident.targets = joint
    incident.protocols = _joined(one.protocols for one in alerts)
    incident.ports = _joined(one.ports for one in alerts)
    incident.vector = incident.vector or row.vector
    for name in ("severity", "bps", "pps"):
        values = [one for one in (getattr(incident, name), getattr(row, name)) if one is not None]
        setattr(incident, name, max(values, default=None))
    incident.last_at = max(incident.last_at, now)


def _joined(values: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Those of all detectors; none, for any, if one of them names none."""
    several = list(values)
    if not all(several):
        return ()
    return tuple(dict.fromkeys(one for each in several for one in each))


def _hold_down(rows: IncidentRows, alerts: Sequence[ReceivedAlert]) -> timedelta:
    """The longest that its detectors' endpoints have."""
    endpoints = rows.endpoints([one.endpoint_id for one in alerts])
    return timedelta(seconds=max(one.policy.hold_down_s for one in endpoints))


def _settle(
    rows: IncidentRows, incident: Incident, alerts: Sequence[ReceivedAlert], now: datetime
) -> AlertProposal | None:
    """Its state, as its alerts tell it now. Returns its open proposal to mitigate."""
    is_over = all(one.ended_at is not None for one in alerts)
    before = incident.state
    if is_over and incident.state == IncidentState.ONGOING:
        incident.state = IncidentState.ENDING
        incident.ended_at, incident.closes_at = now, now + _hold_down(rows, alerts)
    elif not is_over:
        incident.state = IncidentState.ONGOING
        incident.ended_at = incident.closes_at = None
    if incident.state != before:
        rows.tell(**_event(incident, EventType.INCIDENT_CHANGED, now))
    return propose(rows, incident, now) if incident.state == IncidentState.ONGOING else None


def tell_incident(incident: Incident, type: EventType, now: datetime) -> None:
    append_event(**_event(incident, type, now))


def _event(incident: Incident, type: EventType, now: datetime) -> NewEvent:
    return NewEvent(
        organization_id=incident.organization_id,
        type=type,
        at=now,
        data={
            "incident": str(incident.pk),
            "status": incident.state,
            "name": ", ".join(incident.targets.texts[:3]),
        },
    )
