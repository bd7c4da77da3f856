"""The labels that an operator of Alertmanager, Grafana or Wazuh writes for the portal."""

from __future__ import annotations

from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings, RejectionCode, UnmappableError
from portal.alerts.fields import Fields
from portal.core.targets import PortRange, Targets

TARGETS: Final = ("dots_target_prefix", "dots_target_fqdn", "dots_target_uri")
PROTOCOL: Final = "dots_target_protocol"
PORT: Final = "dots_target_port"
_STATES: Final = {"firing": AlertState.START, "resolved": AlertState.END}


def targets(labels: Fields, settings: MappingSettings) -> Targets:
    """Those of the labels, each with commas between several; else the endpoint's target."""
    found = [
        one
        for name in TARGETS
        for one in meaning.targets(_several(labels.text(name)), labels.path(name))
    ]
    return Targets.of(found) or settings.default


def protocols(labels: Fields) -> tuple[int, ...]:
    return meaning.protocols(_several(labels.label(PROTOCOL)), labels.path(PROTOCOL))


def ports(labels: Fields) -> tuple[PortRange, ...]:
    return meaning.ports([labels.label(PORT)], labels.path(PORT))


def prometheus_alert(fields: Fields, settings: MappingSettings, *, link: str) -> Alert:
    """An alert as Alertmanager and Grafana write it.

    The fingerprint is of the labels, so the start makes it an incident's own.
    """
    labels, annotations = fields.child("labels"), fields.child("annotations")
    status = fields.needed("status")
    if status not in _STATES:
        raise UnmappableError(RejectionCode.UNKNOWN_STATE, fields.path("status"))
    state = _STATES[status]
    started = fields.time("startsAt")
    begun = started.isoformat() if started else ""
    return Alert(
        event_id=meaning.event_id(f"{fields.needed('fingerprint')}@{begun}"),
        state=state,
        targets=targets(labels, settings),
        protocols=protocols(labels),
        ports=ports(labels),
        vector=labels.text("alertname"),
        severity=meaning.severity(labels.text("severity")),
        started_at=started,
        ended_at=fields.time("endsAt") if state is AlertState.END else None,
        link=link,
        text=annotations.text("summary") or annotations.text("description"),
    )


def _several(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]
