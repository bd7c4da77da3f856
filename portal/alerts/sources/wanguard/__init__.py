"""Wanguard 8: a response action runs a command that posts its tokens in the portal's own JSON."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts.alert import Alert, MappingSettings
from portal.alerts.fields import Fields
from portal.alerts.sources import plain


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    fields.needed("id")
    fields.needed("direction")
    yield plain.alert_of(fields, settings)
