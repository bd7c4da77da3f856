"""Kentik's JSON templates: the event model, the flat ones (flat, plain, clean), and the legacy one.

Only alarms are alerts: a notice about one of Kentik's own mitigations does not say whether the
attack continues. Keys are read without regard to case, because the templates spell them in several
ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields

_CLEARED: Final = frozenset({"clear", "cleared", "ackreq", "inactive", "archived"})


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record).folded()
    if "eventtype" in fields:
        if fields.needed("eventtype") == "ALARM_STATE_CHANGE":
            yield _legacy(fields, settings)
        return
    events = fields.children("events") if "events" in fields else [fields]
    for event in events:
        folded = event.folded()
        if folded.needed("type") == "alarm":
            yield _event(folded, settings)


def _event(event: Fields, settings: MappingSettings) -> Alert:
    facts = _facts(event)
    is_active = event.flag("isactive")
    if is_active is None:
        is_active = event.text("currentstate").lower() not in _CLEARED
    return Alert(
        event_id=meaning.event_id(facts.needed("alarmid")),
        state=AlertState.START if is_active else AlertState.END,
        targets=meaning.targets([facts.text("ip_dst")], "IP_dst") or settings.default,
        protocols=meaning.known_protocols(facts.label("proto")),
        ports=meaning.ports([facts.label("port_dst")], "Port_dst"),
        vector=facts.text("alarmpolicyname"),
        severity=meaning.severity(facts.text("alarmseverity")),
        bps=facts.amount("bits"),
        pps=facts.amount("packets"),
        started_at=event.time("starttimestamp"),
        ended_at=None if is_active else event.time("endtimestamp"),
        text=event.text("description"),
    )


def _facts(event: Fields) -> Fields:
    """The details of an event as one object, from whichever shape the template gives them."""
    merged: dict[str, object] = {}
    for name in ("dimensions", "metrics"):
        merged.update(_raw(event.child(name)))
    if "details" in event:
        for detail in (one.folded() for one in event.children("details")):
            merged[detail.text("name").lower()] = detail.raw("value")
    return Fields({**_raw(event), **merged})


def _raw(fields: Fields) -> Mapping[str, object]:
    folded = fields.folded()
    return {name: folded.raw(name) for name in folded.names()}


def _legacy(fields: Fields, settings: MappingSettings) -> Alert:
    keys = [one.folded() for one in fields.children("alertkey")]
    facts = Fields({one.text("dimensionname").lower(): one.label("dimensionvalue") for one in keys})
    value = fields.child("alertvalue").folded()
    unit = value.text("unit").lower()
    ended = fields.time("alarmend")
    is_over = ended is not None or fields.text("alarmstate").lower() in _CLEARED
    return Alert(
        event_id=meaning.event_id(fields.needed("alarmid")),
        state=AlertState.END if is_over else AlertState.START,
        targets=meaning.targets([facts.text("ip_dst")], "AlertKey") or settings.default,
        ports=meaning.ports([facts.text("port_dst")], "AlertKey"),
        vector=fields.text("alertpolicyname"),
        severity=meaning.severity(fields.text("activateseverity")),
        bps=value.amount("value") if unit == "bits" else None,
        pps=value.amount("value") if unit == "packets" else None,
        started_at=fields.time("alarmstart"),
        ended_at=ended,
    )
