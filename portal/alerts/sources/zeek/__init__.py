"""Zeek's notice.log in JSON. Which notices mean an attack is the operator's choice."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    note = fields.needed("note")
    if settings.notices and note not in settings.notices:
        return
    attacked = meaning.targets([fields.text("dst")], "dst") or settings.default
    seen = fields.time("ts")
    yield Alert(
        event_id=meaning.fallback_id(attacked, note, seen or settings.received_at),
        state=AlertState.START,
        targets=attacked,
        protocols=meaning.known_protocols(fields.text("proto")),
        ports=meaning.ports([fields.label("p")], "p"),
        vector=note,
        started_at=seen,
        text=fields.text("msg"),
    )
