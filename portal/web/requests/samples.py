"""Convert counter reports to the samples of the chart: an event per change, and how long it was
repeated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from portal.events.models import Event
from portal.mitigations.models import Mitigation
from portal.web.requests.chart import Sample

Rate = Literal["bps_dropped", "pps_dropped"]
"""The columns and keys of what providers report per second."""
Samples = dict[UUID, list[Sample]]


def samples_of(
    mitigations: Iterable[Mitigation], reports: Sequence[Event], counter: Rate
) -> Samples:
    """What each mitigation's provider reported of `counter`; `reports` oldest first."""
    found: Samples = defaultdict(list)
    without: set[UUID] = set()
    for report in reports:
        if report.mitigation_id is None:
            continue
        samples = found[report.mitigation_id]
        held_until = report.data.get("held_until")
        if held_until and report.mitigation_id not in without:
            _repeat(samples, datetime.fromisoformat(held_until))
        value = report.data.get(counter)
        if value is None:
            without.add(report.mitigation_id)
        else:
            without.discard(report.mitigation_id)
            samples.append(Sample(report.at, Decimal(value)))
    for one in mitigations:
        samples, value = found[one.pk], getattr(one, counter)
        if not samples and value is not None and one.counters_since is not None:
            # Its event is older than the loaded reports.
            samples.append(Sample(one.counters_since, Decimal(value)))
        if one.pk not in without:
            _repeat(samples, one.counters_at)
    return found


def _repeat(samples: list[Sample], at: datetime | None) -> None:
    if samples and at is not None and at > samples[-1].at:
        samples.append(Sample(at, samples[-1].value, is_repeat=True))


def within(samples: Sequence[Sample], start: datetime) -> list[Sample]:
    """The samples since `start`, and the previous one, which has the value at the start."""
    since = [sample for sample in samples if sample.at >= start]
    before = [sample for sample in samples if sample.at < start]
    return [*before[-1:], *since] if since else []
