"""The rates that a detector reported of one attack, oldest first: pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from portal.core.json_value import sparse

MAX_RATES: Final = 60
"""of one alert. Beyond that, the two neighbours that lasted shortest together become one."""
SILENCE: Final = timedelta(seconds=60)
"""Nothing is known about the time between two reports that are further apart."""


@sparse(always=("at", "until"))
@dataclass(frozen=True, kw_only=True)
class ReportedRate:
    """What a detector reported from `at` to `until` without a silence: always the same, or, after
    `MAX_RATES`, the highest of several.
    """

    at: datetime
    until: datetime
    bps: int | None = None
    "bits per second"
    pps: int | None = None


def with_report(
    rates: tuple[ReportedRate, ...], *, at: datetime, bps: int | None, pps: int | None
) -> tuple[ReportedRate, ...]:
    """With what an alert said that arrived `at`. One that arrived before the last one adds
    nothing, nor does one without a rate.
    """
    last = rates[-1] if rates else None
    if (bps is None and pps is None) or (last is not None and at < last.until):
        return rates
    if last is not None and (bps, pps) == (last.bps, last.pps) and at - last.until <= SILENCE:
        return (*rates[:-1], replace(last, until=at))
    more = (*rates, ReportedRate(at=at, until=at, bps=bps, pps=pps))
    return more if len(more) <= MAX_RATES else _with_one_less(more)


def _with_one_less(rates: tuple[ReportedRate, ...]) -> tuple[ReportedRate, ...]:
    """The newest stays as it was reported. The oldest goes if every report is alone."""
    joined = [
        index
        for index in range(len(rates) - 2)
        if rates[index + 1].at - rates[index].until <= SILENCE
    ]
    if not joined:
        return rates[1:]
    first = min(joined, key=lambda index: rates[index + 1].until - rates[index].at)
    one, other = rates[first : first + 2]
    both = ReportedRate(
        at=one.at,
        until=other.until,
        bps=_highest(one.bps, other.bps),
        pps=_highest(one.pps, other.pps),
    )
    return (*rates[:first], both, *rates[first + 2 :])


def _highest(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)
