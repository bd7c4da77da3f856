"""Kibana's webhook connector with the body that the portal publishes: the portal's own JSON, with
the action group in place of the state.
"""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields
from portal.alerts.sources import plain

_ENDED = "recovered"


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    group = fields.needed("action_group").lower()
    yield plain.alert_of(fields, settings, AlertState.END if group == _ENDED else AlertState.START)
