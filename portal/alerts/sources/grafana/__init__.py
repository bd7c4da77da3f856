"""Grafana Alerting, webhook contact point."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts.alert import Alert, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import Fields
from portal.alerts.sources import labels


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    if fields.label("version") != "1":
        raise UnmappableError(RejectionCode.OTHER_SOURCE, "version")
    for one in fields.children("alerts"):
        link = one.link("panelURL") or one.link("dashboardURL") or one.link("generatorURL")
        yield labels.prometheus_alert(one, settings, link=link)
