"""Wazuh's integrator. The operator adds the portal's labels in the integration's options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields
from portal.alerts.sources import labels

_SEVERITIES: Final[Mapping[str, int]] = {"1": 1, "2": 2, "3": 3}


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    rule = fields.needed("rule_id")
    attacked = labels.targets(fields, settings)
    seen = fields.time("timestamp")
    yield Alert(
        event_id=meaning.fallback_id(attacked, rule, seen or settings.received_at),
        state=AlertState.START,
        targets=attacked,
        protocols=labels.protocols(fields),
        ports=labels.ports(fields),
        vector=f"rule {rule}",
        severity=_SEVERITIES.get(fields.label("severity")),
        started_at=seen,
        text=fields.text("title"),
    )
