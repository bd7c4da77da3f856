"""FastNetMon Advanced: web callback and JSON notify script, for a host or a host group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, AttackDirection, MappingSettings
from portal.alerts.fields import Fields
from portal.core.targets import Targets

_BITS_PER_BYTE: Final = 8
_STATES: Final = {"ban": AlertState.START, "unban": AlertState.END}
"""Anything else repeats what is known: a status callback of an attack that lasts."""


def alerts(record: object, _settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    details = fields.child("attack_details")
    is_group = fields.text("alert_scope") == "hostgroup"
    named = fields.texts("hostgroup_networks") if is_group else [fields.needed("ip")]
    where = fields.path("hostgroup_networks" if is_group else "ip")
    direction = _direction(details.text("attack_direction"))
    attacked = meaning.targets(named, where)
    is_outgoing = direction is AttackDirection.OUTGOING
    way = "outgoing" if is_outgoing else "incoming"
    yield Alert(
        event_id=meaning.event_id(details.needed("attack_uuid")),
        state=_STATES.get(fields.needed("action"), AlertState.UPDATE),
        targets=Targets() if is_outgoing else attacked,
        attacker=", ".join(attacked.texts[:3]) if is_outgoing else "",
        direction=direction,
        protocols=meaning.known_protocols(details.text("attack_protocol")),
        vector=details.text("attack_type"),
        severity=meaning.severity(details.text("attack_severity")),
        bps=details.amount(f"total_{way}_traffic", _BITS_PER_BYTE),
        pps=details.amount(f"total_{way}_pps") or details.amount("peak_attack_power"),
        text=fields.text("hostgroup_name") or details.text("host_group"),
    )


def _direction(word: str) -> AttackDirection:
    known = (AttackDirection.INCOMING, AttackDirection.OUTGOING)
    return AttackDirection(word) if word in known else AttackDirection.UNKNOWN
