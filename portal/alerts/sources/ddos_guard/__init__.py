"""DDoS-Guard notifications."""

from __future__ import annotations

from collections.abc import Iterator

from portal.alerts import meaning
from portal.alerts.alert import Alert, AlertState, MappingSettings
from portal.alerts.fields import Fields


def alerts(record: object, _settings: MappingSettings) -> Iterator[Alert]:
    fields = Fields.of(record)
    named = fields.child("target")
    attacked = meaning.targets([named.needed("subnet")], named.path("subnet"))
    start = fields.needed("start")
    ended = fields.time("end")
    # Its example spells the name of the bit rate in another way than its text.
    bps = fields.amount("peak_bps")
    yield Alert(
        event_id=meaning.identity(*attacked.texts, start),
        state=AlertState.END if ended else AlertState.START,
        targets=attacked,
        bps=fields.amount("peak_pbs") if bps is None else bps,
        pps=fields.amount("peak_pps"),
        started_at=fields.time("start"),
        ended_at=ended,
    )
