"""The portal's own JSON, which a script or a template of another tool can write."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts import meaning
from portal.alerts.alert import (
    MAX_VECTOR_LENGTH,
    Alert,
    AlertState,
    AttackDirection,
    MappingSettings,
    RejectionCode,
    UnmappableError,
)
from portal.alerts.fields import Fields
from portal.core.targets import Targets


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    yield alert_of(Fields.of(record), settings)


def alert_of(fields: Fields, settings: MappingSettings, state: AlertState | None = None) -> Alert:
    attacked = meaning.targets(fields.texts("targets"), fields.path("targets"))
    direction = _direction(fields)
    attacker = ""
    if direction is AttackDirection.OUTGOING:
        attacker, attacked = ", ".join(attacked.texts[:3]), Targets()
    else:
        attacked = attacked or settings.default
    vector = fields.text("vector", MAX_VECTOR_LENGTH)
    started = fields.time("started_at")
    own_id = meaning.event_id(fields.label("id"))
    return Alert(
        event_id=own_id or meaning.fallback_id(attacked, vector, started or settings.received_at),
        state=state or _state(fields),
        targets=attacked,
        attacker=attacker,
        direction=direction,
        protocols=meaning.protocols(fields.labels("protocols"), fields.path("protocols")),
        ports=meaning.ports(fields.labels("ports"), fields.path("ports")),
        vector=vector,
        severity=meaning.severity(fields.label("severity")),
        bps=fields.amount("bps"),
        pps=fields.amount("pps"),
        started_at=started,
        ended_at=fields.time("ended_at"),
        link=fields.link("link"),
        text=fields.text("text"),
    )


def _state(fields: Fields) -> AlertState:
    word = fields.text("state").lower() or AlertState.START.value
    if word not in set(AlertState):
        raise UnmappableError(RejectionCode.UNKNOWN_STATE, fields.path("state"))
    return AlertState(word)


def _direction(fields: Fields) -> AttackDirection:
    word = fields.text("direction").lower() or AttackDirection.UNKNOWN.value
    if word not in set(AttackDirection):
        raise UnmappableError(RejectionCode.UNKNOWN_STATE, fields.path("direction"))
    return AttackDirection(word)
