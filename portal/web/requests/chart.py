"""The chart of dropped traffic: stacked areas as SVG paths, and lines of what detectors reported.

A missing report is a gap, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from portal.core.formatting import (
    BITS_PER_BYTE,
    dated,
    listed,
    si_scale,
    significant,
)
from portal.mitigations.models import REPORTS_MISSING_AFTER
from portal.web.requests.chart_lines import STYLES, Detected, Line, cells, lines_of, sentences
from portal.web.requests.chart_scale import HEIGHT, WIDTH, rate_words, y_of
from portal.web.requests.chart_ticks import Tick, ticks

COLUMNS: Final = 96
HOLE_AFTER: Final = REPORTS_MISSING_AFTER
PATTERNS: Final = ("a", "b", "c", "d")
"""Solid, hatch, dots, cross-hatch; from the fifth provider on they are summed as "Others"."""
TABLE_ROWS: Final = 15
SPARK_COLUMNS: Final = 48
GRID_LINES: Final = 3
UNIT_NAMES: Final = {"bit": "bit/s", "packet": "packets/s"}
_NICE: Final = tuple(Decimal(n) for n in (3, 6, 9, 12, 15, 18, 24, 30, 45, 60, 90))


@dataclass(frozen=True, slots=True)
class Sample:
    """What one provider reported at one moment."""

    at: datetime
    value: Decimal
    is_repeat: bool = False
    "the same value was reported continuously since the previous sample"


@dataclass(frozen=True, slots=True)
class Series:
    """One provider's reports, oldest first."""

    name: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """One provider's area, ready to be drawn."""

    name: str
    pattern: str
    area: str
    line: str
    latest: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template draws and writes."""

    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    gaps: str
    silent: tuple[str, ...]
    y_labels: tuple[str, ...]
    ticks: tuple[Tick, ...]
    summary: str
    table: tuple[tuple[str, tuple[str, ...]], ...]


def draw(
    series: Sequence[Series],
    *,
    start: datetime,
    end: datetime,
    unit: str,
    detected: Sequence[Detected] = (),
) -> Chart | None:
    """The chart of `unit` (bit or packet) between two moments; None if neither a provider nor a
    detector reported anything. It has a line for the first of `detected`, as many as STYLES.
    """
    shown = _with_others([one for one in series if one.samples])
    known = [one for one in detected if one.before(end)][: len(STYLES)]
    said = [each.value for one in known for each in one.between(start, end)]
    if not shown and not said:
        return None
    moments = [start + (end - start) * column / COLUMNS for column in range(COLUMNS + 1)]
    last = max((one.samples[-1].at for one in shown), default=None)
    values = [[value_at(one.samples, at, end, last=last) for at in moments] for one in shown]
    sums = [
        sum((row[column] or Decimal(0) for row in values), Decimal(0))
        for column in range(COLUMNS + 1)
    ]
    top = nice_top(max([*sums, *said]), unit)
    base = [Decimal(0)] * (COLUMNS + 1)
    bands: list[Band] = []
    edges: set[int] = set()
    for index, (one, row) in enumerate(zip(shown, values, strict=True)):
        pattern = PATTERNS[index] if index < len(PATTERNS) else "e"
        area, line = _paths(row, base, top)
        newest = one.samples[-1]
        bands.append(Band(one.name, pattern, area, line, rate_words(newest.value, unit)))
        edges |= _edges(row)
        base = [low + (value or Decimal(0)) for low, value in zip(base, row, strict=True)]
    return Chart(
        lines=lines_of(known, start=start, end=end, top=top, unit=unit),
        bands=tuple(bands),
        gaps="".join(f"M{_x(column)} 0V{HEIGHT}" for column in sorted(edges)),
        silent=tuple(one.name for one, row in zip(shown, values, strict=True) if _edges(row)),
        y_labels=_y_labels(top, unit),
        ticks=ticks(start, end),
        summary=_summary(shown, values, moments, unit, known),
        table=_table(values, moments, unit, known),
    )


def value_at(
    samples: Sequence[Sample], at: datetime, end: datetime, *, last: datetime | None = None
) -> Decimal | None:
    """What was reported at `at`; None before the first report and inside a gap.

    Providers that fall silent together stop together: at the `last` report of any of them.
    """
    before = next((sample for sample in reversed(samples) if sample.at <= at), None)
    if before is None or before.at == at:
        return before.value if before else None
    following = next((sample for sample in samples if sample.at > at), None)
    if following is None:
        is_fresh = end - before.at <= HOLE_AFTER
        stops_with_others = last is not None and at <= last <= before.at + HOLE_AFTER
        return before.value if is_fresh or stops_with_others else None
    length = following.at - before.at
    if length > HOLE_AFTER:
        return before.value if following.is_repeat else None
    share = Decimal((at - before.at) / length)
    return before.value + (following.value - before.value) * share


def nice_top(largest: Decimal, unit: str) -> Decimal:
    """The top of the axis in the stored unit: three even steps in the displayed unit."""
    factor = BITS_PER_BYTE if unit == "bit" else 1
    shown = largest * factor
    if shown <= 0:
        return Decimal(GRID_LINES)
    power = shown.adjusted()
    for scale in (power - 1, power, power + 1):
        for nice in _NICE:
            if nice.scaleb(scale) >= shown:
                return nice.scaleb(scale) / factor
    raise AssertionError("one power more is always enough")


def _with_others(series: list[Series]) -> list[Series]:
    if len(series) <= len(PATTERNS) + 1:
        return series
    rest = series[len(PATTERNS) :]
    return [*series[: len(PATTERNS)], Series("Others", summed([one.samples for one in rest]))]


def summed(parts: Sequence[Sequence[Sample]]) -> tuple[Sample, ...]:
    """The sum of several providers, at each moment at which one of them reported."""
    repeats = {sample.at: sample.is_repeat for samples in parts for sample in samples}
    for samples in parts:
        for sample in samples:
            repeats[sample.at] |= sample.is_repeat
    return tuple(
        Sample(
            at,
            sum((value_at(samples, at, at) or Decimal(0) for samples in parts), Decimal(0)),
            repeats[at],
        )
        for at in sorted(repeats)
    )


def _x(column: int) -> str:
    return f"{column * WIDTH / COLUMNS:g}"


def _runs(row: Sequence[Decimal | None]) -> list[range]:
    """The stretches of columns without a gap."""
    runs: list[range] = []
    first: int | None = None
    for column, value in enumerate([*row, None]):
        if value is not None and first is None:
            first = column
        elif value is None and first is not None:
            runs.append(range(first, column))
            first = None
    return runs


def _paths(row: Sequence[Decimal | None], base: Sequence[Decimal], top: Decimal) -> tuple[str, str]:
    area, line = [], []
    for run in _runs(row):
        upper = [f"{_x(column)} {y_of(base[column] + (row[column] or 0), top)}" for column in run]
        lower = [f"{_x(column)} {y_of(base[column], top)}" for column in reversed(run)]
        line.append("M" + "L".join(upper))
        area.append("M" + "L".join([*upper, *lower]) + "Z")
    return "".join(area), "".join(line)


def _edges(row: Sequence[Decimal | None]) -> set[int]:
    """The edges of gaps between reports, and where the reports end early."""
    runs = _runs(row)
    starts = {run.start for run in runs[1:]}
    ends = {run.stop - 1 for run in runs if run.stop < len(row)}
    is_open = bool(runs) and runs[-1].stop < len(row)
    return starts | ends | ({len(row) - 1} if is_open else set())


def _y_labels(top: Decimal, unit: str) -> tuple[str, ...]:
    shown = top * (BITS_PER_BYTE if unit == "bit" else 1)
    power, prefix = si_scale(shown)
    if unit == "packet":
        power, prefix = (6, "million ") if shown >= 10_000_000 else (0, "")
    name = f"{prefix}{UNIT_NAMES[unit]}"
    numbers = [
        significant((shown * n / GRID_LINES).scaleb(-power)) for n in range(GRID_LINES, -1, -1)
    ]
    return (f"{numbers[0]} {name}", *numbers[1:])


def _summary(
    shown: Sequence[Series],
    values: Sequence[Sequence[Decimal | None]],
    moments: Sequence[datetime],
    unit: str,
    detected: Sequence[Detected],
) -> str:
    start, end = moments[0], moments[-1]
    first, last = (dated(at, end, seconds=False) for at in (start, end))
    who = "Dropped" if shown else "No provider reported dropped"
    parts = [
        *sentences(detected, start=start, end=end, unit=unit),
        f"{who} traffic from {first} to {last}.",
    ]
    for one, row in zip(shown, values, strict=True):
        known = [value for value in row if value is not None]
        highest = f", at most {rate_words(max(known), unit)}" if known else ""
        latest = rate_words(one.samples[-1].value, unit)
        parts.append(f"{one.name} last reported {latest}{highest}.")
        holes = [
            f"between {dated(moments[left.stop - 1], end)} and {dated(moments[right.start], end)}"
            for left, right in zip(_runs(row), _runs(row)[1:], strict=False)
        ]
        if holes:
            parts.append(f"No report from {one.name} {listed(holes)}.")
    return " ".join(parts)


def _table(
    values: Sequence[Sequence[Decimal | None]],
    moments: Sequence[datetime],
    unit: str,
    detected: Sequence[Detected],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """A cell for each detector, then for each provider."""
    every = max(1, COLUMNS // TABLE_ROWS)
    step = moments[every] - moments[0]
    rows: dict[str, tuple[str, ...]] = {}
    for column in range(COLUMNS, -1, -every):
        at = moments[column]
        found = [*cells(detected, since=at - step, until=at), *(row[column] for row in values)]
        if any(cell is not None for cell in found):
            said = tuple("no report" if cell is None else rate_words(cell, unit) for cell in found)
            # In the first seconds several columns have one time.
            rows.setdefault(dated(at, moments[-1]), said)
    return tuple(rows.items())


def spark(samples: Sequence[Sample], *, start: datetime, end: datetime) -> str:
    """A sparkline as a path, 176 × 40, from the first report on; empty with fewer than two."""
    if len(samples) < 2:
        return ""
    start = max(start, samples[0].at)
    step = (end - start) / SPARK_COLUMNS
    row = [value_at(samples, start + step * n, end) for n in range(SPARK_COLUMNS + 1)]
    top = max((value for value in row if value is not None), default=Decimal(0)) or Decimal(1)
    lines = [
        "L".join(
            f"{column * 176 / SPARK_COLUMNS:g} {38 - float((row[column] or 0) / top) * 36:.1f}"
            for column in run
        )
        for run in _runs(row)
    ]
    return "".join(f"M{line}" for line in lines)
