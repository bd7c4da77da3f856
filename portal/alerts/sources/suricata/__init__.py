"""Suricata's EVE log. It names who was attacked in `dest_ip`, and reports no end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields

_SEVERITIES: Final[Mapping[str, int]] = {"1": 3, "2": 2, "3": 1, "4": 0}
"""Suricata's 1 is the worst."""


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    if fields.needed("event_type") != "alert":
        return
    rule = fields.child("alert")
    attacked = meaning.targets([fields.needed("dest_ip")], "dest_ip")
    seen = fields.time("timestamp")
    number = rule.label("signature_id")
    yield Alert(
        event_id=meaning.fallback_id(attacked, number, seen or settings.received_at),
        state=AlertState.START,
        targets=attacked,
        protocols=meaning.known_protocols(fields.text("proto")),
        ports=meaning.ports([fields.label("dest_port")], "dest_port"),
        vector=rule.text("signature"),
        severity=_SEVERITIES.get(rule.label("severity")),
        started_at=seen,
        text=rule.text("category"),
    )
