"""Prometheus Alertmanager, webhook version 4."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts.alert import Alert, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import Fields
from portal.alerts.sources import labels


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    if fields.label("version") != "4" or "orgId" in fields:
        raise UnmappableError(RejectionCode.OTHER_SOURCE, "version")
    for one in fields.children("alerts"):
        yield labels.prometheus_alert(one, settings, link=one.link("generatorURL"))
