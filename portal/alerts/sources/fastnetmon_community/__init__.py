"""FastNetMon Community: the arguments of its notify script, as the portal's wrapper posts them.

It gives an attack no id. So the address and the direction are the identity of both the ban and the
unban.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from portal.alerts import meaning
from portal.alerts.alert import (
    Alert,
    AlertState,
    AttackDirection,
    MappingSettings,
    RejectionCode,
    UnmappableError,
)
from portal.alerts.fields import Fields
from portal.core.targets import Targets

_STATES: Final = {
    "ban": AlertState.START,
    "attack_details": AlertState.UPDATE,
    "unban": AlertState.END,
}


def alerts(record: object, _settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    attacked = meaning.targets([fields.needed("ip")], fields.path("ip"))
    word = fields.needed("direction")
    if word not in (AttackDirection.INCOMING, AttackDirection.OUTGOING):
        raise UnmappableError(RejectionCode.UNKNOWN_STATE, fields.path("direction"))
    action = fields.needed("action")
    if action not in _STATES:
        raise UnmappableError(RejectionCode.UNKNOWN_STATE, fields.path("action"))
    is_outgoing = word == AttackDirection.OUTGOING
    yield Alert(
        event_id=meaning.identity(*attacked.texts, word),
        state=_STATES[action],
        targets=Targets() if is_outgoing else attacked,
        attacker=", ".join(attacked.texts) if is_outgoing else "",
        direction=AttackDirection(word),
        pps=fields.amount("pps"),
        text=fields.text("details"),
    )
