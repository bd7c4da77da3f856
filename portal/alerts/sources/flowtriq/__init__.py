"""Flowtriq webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import Fields

_STATES: Final = {
    "attack_start": AlertState.START,
    "attack_update": AlertState.UPDATE,
    "attack_end": AlertState.END,
}


def alerts(record: object, _settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    kind = fields.needed("event_type")
    if kind == "test":
        return
    if kind not in _STATES:
        raise UnmappableError(RejectionCode.UNKNOWN_STATE, "event_type")
    incident, node = fields.child("incident"), fields.child("node")
    state = _STATES[kind]
    yield Alert(
        event_id=meaning.event_id(incident.needed("uuid")),
        state=state,
        targets=meaning.targets([node.needed("ip_address")], node.path("ip_address")),
        vector=incident.text("attack_family"),
        severity=meaning.severity(incident.text("severity")),
        bps=incident.amount("peak_bps"),
        pps=incident.amount("peak_pps"),
        started_at=incident.time("started_at"),
        ended_at=fields.time("timestamp") if state is AlertState.END else None,
        link=incident.link("dashboard_url"),
        text=incident.text("title"),
    )
