"""The four numbers of a request: at its end, or so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from portal import wording
from portal.core.formatting import amount, bit_rate, exact_duration
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest

UNKNOWN: Final = (("–", ""),)


@dataclass(frozen=True, slots=True)
class Number:
    """A name, and pairs of a count and its unit."""

    name: str
    parts: tuple[tuple[str, str], ...]


def numbers_of(
    request: MitigationRequest, facts: wording.RequestFacts, reports: Sequence[Event], now: datetime
) -> tuple[Number, ...]:
    began = [one.first_mitigating_at for one in facts.mitigations if one.first_mitigating_at]
    first = min(began, default=None)
    until = [_filtered_until(one, now) for one in facts.mitigations if one.mitigating_at]
    last = max((at for at in until if at), default=None)
    totals = [one.bytes_dropped for one in facts.started if one.bytes_dropped is not None]
    highest = _highest_rate(reports)
    return (
        Number(
            "Filtered for",
            exact_duration((last - first).total_seconds()) if first and last else UNKNOWN,
        ),
        Number(
            "Request to first filter",
            exact_duration((first - request.created_at).total_seconds()) if first else UNKNOWN,
        ),
        Number("Total dropped", _split(amount(sum(totals))) if totals else UNKNOWN),
        Number(
            "Highest rate dropped", _split(bit_rate(highest)) if highest is not None else UNKNOWN
        ),
    )


def _filtered_until(mitigation: wording.MitigationFacts, now: datetime) -> datetime | None:
    if mitigation.ended_at is None and wording.display_status(mitigation, now) in wording.FILTERING:
        return mitigation.heard_at if wording.is_stale(mitigation, now) else now
    return mitigation.ended_at


def _highest_rate(reports: Sequence[Event]) -> Decimal | None:
    """The highest combined rate of all providers, in bytes per second; None if no provider reported
    a rate.
    """
    rates: dict[UUID | None, Decimal] = {}
    highest = Decimal(0)
    for report in reports:
        if report.data.get("bps_dropped") is not None:
            rates[report.mitigation_id] = Decimal(report.data["bps_dropped"])
            highest = max(highest, sum(rates.values(), Decimal(0)))
    return highest if rates else None


def _split(words: str) -> tuple[tuple[str, str], ...]:
    number, _, unit = words.partition("\u00a0")
    return ((number, unit),)
