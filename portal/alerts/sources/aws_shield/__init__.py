"""AWS Shield Advanced: the answer of DescribeAttack. Its top contributors are attackers."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts import meaning
from portal.alerts.alert import MAX_VECTOR_LENGTH, Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields
from portal.core.targets import Targets


def alerts(record: object, settings: MappingSettings) -> Iterator[Alert]:
    attack = Fields.of(record).child("Attack")
    parts = attack.children("SubResources")
    ended = attack.time("EndTime")
    attacked = Targets.of(
        meaning.target(part.needed("Id"), part.path("Id"))
        for part in parts
        if part.text("Type") == "IP"
    )
    vectors = dict.fromkeys(
        vector.text("VectorType") for part in parts for vector in part.children("AttackVectors")
    )
    yield Alert(
        event_id=meaning.event_id(attack.needed("AttackId")),
        state=AlertState.END if ended else AlertState.START,
        targets=attacked or settings.default,
        vector=", ".join(filter(None, vectors))[:MAX_VECTOR_LENGTH],
        started_at=attack.time("StartTime"),
        ended_at=ended,
        text=attack.text("ResourceArn"),
    )
