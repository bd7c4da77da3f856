"""Arbor Sightline: alerts of its REST API, version 7."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, AttackDirection, MappingSettings
from portal.alerts.fields import Fields
from portal.core.targets import Targets

_SEVERITIES: Final = {"0": 1, "1": 2, "2": 3}
_DIRECTIONS: Final = {"incoming": AttackDirection.INCOMING, "outgoing": AttackDirection.OUTGOING}


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    """One alert, or a page of them (`data`). Alerts that are not about attacks are ignored."""
    fields = Fields.of(record)
    for one in fields.children("data") if "data" in fields else [fields]:
        attributes = one.child("attributes")
        if attributes.text("alert_class") in ("", "dos"):
            yield _alert(one, attributes, settings)


def _alert(one: Fields, attributes: Fields, settings: MappingSettings) -> Alert:
    subject = attributes.child("subobject")
    named = meaning.targets([subject.text("host_address")], subject.path("host_address"))
    direction = _DIRECTIONS.get(subject.text("direction").lower(), AttackDirection.UNKNOWN)
    is_outgoing = direction is AttackDirection.OUTGOING
    ended = attributes.time("stop_time")
    is_over = attributes.flag("ongoing") is False
    return Alert(
        event_id=meaning.event_id(one.needed("id")),
        state=AlertState.END if is_over else AlertState.START,
        targets=Targets() if is_outgoing else named or settings.default,
        attacker=", ".join(named.texts) if is_outgoing else "",
        direction=direction,
        vector=", ".join(subject.texts("misuse_types"))[:120],
        severity=_SEVERITIES.get(attributes.label("importance")),
        bps=subject.amount("impact_bps"),
        pps=subject.amount("impact_pps"),
        started_at=attributes.time("start_time"),
        ended_at=ended if is_over else None,
        link=subject.link("summary_url"),
        text=attributes.text("classification"),
    )
