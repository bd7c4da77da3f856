"""The figures of a scorecard as sentences and cells; what is not known is said, never left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

from portal.core.formatting import NBSP, duration, listed, measured, month_name, plural
from portal.mitigations.models import ProviderConflict
from portal.scorecard.facts import RefusalReason
from portal.scorecard.figures import (
    MIN_FOR_MEDIAN,
    MIN_FOR_P95,
    MIN_FOR_SHARE,
    MIN_MEASURED_S,
    DrillFigures,
    Figures,
    SessionTime,
    Share,
    Times,
)
from portal.scorecard.periods import Month, Period
from portal.scorecard.scorecards import Completeness
from portal.scorecard.services import LevelValues
from portal.wording.refusals import refusal_sentence

MAX_REASONS: Final = 10
"""Reasons that are named one by one."""
NOTHING: Final = "–"
INSUFFICIENT: Final = "Insufficient data"
MINIMUMS: Final = (
    f"A median needs {MIN_FOR_MEDIAN} values, a 95th percentile {MIN_FOR_P95}, a percentage "
    f"{MIN_FOR_SHARE}, and availability {duration(MIN_MEASURED_S)} of measured session. With "
    "fewer, there is only the count."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLine:
    """One kind of time."""

    name: str
    what: str
    "from when to when"
    median: str
    p95: str
    count: int
    agreed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLine:
    """One count, or the availability, with what belongs to it."""

    name: str
    text: str
    details: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthLine:
    """One month among several, in short."""

    name: str
    note: str
    asked: int
    accept: str
    filter: str
    stop: str
    refused: str
    exceeded: str
    session: str


def period_words(period: Period) -> str:
    """October 2026; August 2026 to October 2026."""
    first, last = _month(period.first), _month(period.last)
    return first if first == last else f"{first} to {last}"


def completeness_words(completeness: Completeness, *, lacking_events: int = 0) -> str:
    """Empty for a complete month or period."""
    match completeness:
        case Completeness.COMPLETE:
            return ""
        case Completeness.RUNNING:
            return "Not over yet: these are the figures so far."
    if lacking_events:
        return f"Incomplete: the portal no longer has the events of {_mitigations(lacking_events)}."
    return "Incomplete: the portal no longer has all events of this time."


def time_lines(figures: Figures, levels: LevelValues) -> Iterator[TimeLine]:
    accept, filter_, stop = levels.accept_within_s, levels.filter_within_s, levels.stop_within_s
    yield _times("Accepts", "from the first message sent", figures.accept, accept)
    yield _times("Filters", "from the first message sent", figures.filter, filter_)
    yield _times("Stops", "from the withdrawal", figures.stop, stop)


def count_lines(figures: Figures, provider: str, *, is_staff: bool = False) -> Iterator[CountLine]:
    """`is_staff`: of all organizations, so reasons are codes without sentences to one of them."""
    yield CountLine(name="Asked", text=_asked(figures))
    if figures.sent:
        yield CountLine(name="Accepted", text=f"{figures.accepted} of {figures.sent} sent")
        yield CountLine(
            name="Refused",
            text=share(figures.refused_share),
            details=[*_reasons(figures.reasons, provider, is_staff=is_staff)],
        )
        yield CountLine(name="Over capacity", text=share(figures.exceeded_share))
    for name, count in (
        ("Asked to wait", figures.put_off),
        ("Looped between gateways", figures.looped),
        ("No answer", figures.unanswered),
    ):
        if count:
            yield CountLine(name=name, text=f"{count} of {figures.sent} sent")
    if figures.stop_unconfirmed:
        words = f"{_mitigations(figures.stop_unconfirmed)}, until the lifetime was over"
        yield CountLine(name="End not confirmed", text=words)
    yield CountLine(name="People said", text=_efficacy(figures))
    yield CountLine(name="Drills, apart", text=_drills(figures.drill_figures))


def session_line(time: SessionTime, levels: LevelValues) -> CountLine:
    percent = time.percent
    text = INSUFFICIENT if percent is None else f"{percent_words(percent)} of the measured time"
    agreed = levels.availability
    details = []
    if agreed is not None:
        words = f"Agreed: {percent_words(agreed)}."
        if percent is not None:
            words += " Kept." if Decimal(percent) >= agreed else " Not kept."
        details.append(words)
    parts = [
        f"{name} {measured(seconds)}"
        for name, seconds in (("up", time.up_s), ("down", time.down_s))
        if seconds
    ]
    if parts:
        details.append(f"{listed(parts).capitalize()}.")
    if time.not_measured_s:
        details.append(f"Not measured: {measured(time.not_measured_s)}.")
    return CountLine(name="Session", text=text, details=details)


def month_line(month: Month, figures: Figures, completeness: Completeness) -> MonthLine:
    percent = figures.sessions.percent
    return MonthLine(
        name=_month(month),
        note=completeness_words(completeness, lacking_events=figures.lacking_events),
        asked=figures.asked,
        accept=_median(figures.accept),
        filter=_median(figures.filter),
        stop=_median(figures.stop),
        refused=share(figures.refused_share),
        exceeded=share(figures.exceeded_share),
        session=INSUFFICIENT if percent is None else percent_words(percent),
    )


def share(one: Share) -> str:
    """1 of 12 sent (8.3 %)."""
    if not one.total:
        return NOTHING
    counted = f"{one.count}{NBSP}of{NBSP}{one.total} sent"
    return counted if one.percent is None else f"{counted} ({one.percent:.1f}{NBSP}%)"


def percent_words(value: float | Decimal) -> str:
    """At most three digits after the point. It is cut, so that 99.9996 does not become 100."""
    cut = Decimal(value).quantize(Decimal("0.001"), rounding=ROUND_DOWN).normalize()
    return f"{cut:f}{NBSP}%"


def reason_words(reason: RefusalReason) -> str:
    """4.09, conflict cause 1."""
    cause = "" if reason.cause is None else f", conflict cause {reason.cause}"
    return f"{reason.code or 'no code'}{cause}"


def _month(month: Month) -> str:
    return month_name(month.year, month.number)


def _times(name: str, what: str, times: Times, agreed_s: int | None) -> TimeLine:
    agreed = NOTHING
    if agreed_s is not None:
        agreed = measured(agreed_s)
        if times.count:
            agreed += f": {times.within(agreed_s)} of {times.count} within"
    return TimeLine(
        name=name,
        what=what,
        median=_median(times),
        p95=_figure(times.p95_s, times.count, MIN_FOR_P95),
        count=times.count,
        agreed=agreed,
    )


def _median(times: Times) -> str:
    return _figure(times.median_s, times.count, MIN_FOR_MEDIAN)


def _figure(value_s: float | None, count: int, minimum: int) -> str:
    return (
        f"{INSUFFICIENT} ({count}{NBSP}of{NBSP}{minimum})" if value_s is None else measured(value_s)
    )


def _asked(figures: Figures) -> str:
    if not figures.asked:
        return "Never"
    times = "Once" if figures.asked == 1 else f"{figures.asked:,} times"
    return f"{times}, of which {figures.unsent:,} never sent" if figures.unsent else times


def _efficacy(figures: Figures) -> str:
    said = figures.mitigated_share
    if not said.total:
        return "Nothing about the attacks"
    return f"Mitigated successfully: {said.count} of {said.total} reports"


def _drills(drills: DrillFigures) -> str:
    if not drills.sent:
        return "None"
    words = f"{drills.accepted} of {drills.sent} accepted"
    if drills.refused:
        words += f", {drills.refused} refused"
    median = drills.accept.median_s
    return words if median is None else f"{words}, median {measured(median)}"


def _reasons(
    reasons: Sequence[tuple[RefusalReason, int]], provider: str, *, is_staff: bool
) -> Iterator[str]:
    for reason, count in reasons[:MAX_REASONS]:
        words = f"{reason_words(reason)}: {_mitigations(count)}."
        if not is_staff:
            conflict = None if reason.cause is None else ProviderConflict(cause=reason.cause)
            words += f" {refusal_sentence(provider, code=reason.code, conflict=conflict)}"
        yield words
    if len(reasons) > MAX_REASONS:
        yield f"{len(reasons) - MAX_REASONS:,} more."


def _mitigations(count: int) -> str:
    return plural(count, "mitigation")
