"""A scorecard as a table: one line for each provider and month, and one for the whole period."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor
from typing import Any, Final

from portal.core.csv_text import csv_text
from portal.scorecard.figures import Figures, Times
from portal.scorecard.scorecards import Completeness, ProviderScore, Scorecard

CONTENT_TYPE: Final = "text/csv; charset=utf-8"
TIMES: Final = ("accept", "filter", "stop")
COLUMNS: Final = (
    "organization", "provider", "months", "time_zone", "completeness", "missing_mitigations",
    "asked", "unsent", "sent", "accepted", "refused", "refusals", "exceeded", "put_off", "looped",
    "unanswered",
    *(
        f"{name}_{column}"
        for name in TIMES
        for column in ("count", "median_s", "p95_s", "agreed_s", "within_agreed")
    ),
    "stop_unconfirmed", "said_mitigated", "said_under_attack",
    "session_up_s", "session_down_s", "session_not_measured_s", "availability_percent",
    "agreed_availability_percent", "drills_sent", "drills_accepted", "drills_refused",
    "drill_accept_median_s",
)  # fmt: skip
"""An empty cell: too few values, or nothing was agreed."""
ALL_ORGANIZATIONS: Final = "all"


def csv_of(scorecard: Scorecard, organization: str) -> bytes:
    """`organization`: its name, or ALL_ORGANIZATIONS."""
    lines = (line for one in scorecard.providers for line in _lines(scorecard, organization, one))
    return csv_text([COLUMNS, *([line[name] for name in COLUMNS] for line in lines)])


def _lines(
    scorecard: Scorecard, organization: str, score: ProviderScore
) -> Iterator[dict[str, Any]]:
    start = {
        "organization": organization,
        "provider": score.name,
        "time_zone": scorecard.period.zone.key,
    }
    rows: list[tuple[str, Completeness, Figures]] = [
        (str(one.month), one.completeness, one.figures) for one in score.months
    ]
    if len(rows) > 1:
        rows.append((str(scorecard.period), score.completeness, score.figures))
    for months, completeness, figures in rows:
        yield start | {
            "months": months,
            "completeness": completeness.value,
            **_counts(figures),
            **_times_of(figures, score),
            "availability_percent": _cut(figures.sessions.percent),
            "agreed_availability_percent": score.levels.availability,
        }


def _counts(figures: Figures) -> dict[str, Any]:
    refusals = (
        f"{one.code}{'' if one.cause is None else f' cause {one.cause}'}: {count}"
        for one, count in figures.reasons
    )
    drill_figures, sessions = figures.drill_figures, figures.sessions
    return {
        "missing_mitigations": figures.lacking_events,
        "asked": figures.asked,
        "unsent": figures.unsent,
        "sent": figures.sent,
        "accepted": figures.accepted,
        "refused": figures.refused,
        "refusals": "; ".join(refusals),
        "exceeded": figures.exceeded,
        "put_off": figures.put_off,
        "looped": figures.looped,
        "unanswered": figures.unanswered,
        "stop_unconfirmed": figures.stop_unconfirmed,
        "said_mitigated": figures.mitigated,
        "said_under_attack": figures.under_attack,
        "session_up_s": _rounded(sessions.up_s),
        "session_down_s": _rounded(sessions.down_s),
        "session_not_measured_s": _rounded(sessions.not_measured_s),
        "drills_sent": drill_figures.sent,
        "drills_accepted": drill_figures.accepted,
        "drills_refused": drill_figures.refused,
        "drill_accept_median_s": _rounded(drill_figures.accept.median_s),
    }


def _times_of(figures: Figures, score: ProviderScore) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in TIMES:
        times: Times = getattr(figures, name)
        agreed_s: int | None = getattr(score.levels, f"{name}_within_s")
        columns |= {
            f"{name}_count": times.count,
            f"{name}_median_s": _rounded(times.median_s),
            f"{name}_p95_s": _rounded(times.p95_s),
            f"{name}_agreed_s": agreed_s,
            f"{name}_within_agreed": None if agreed_s is None else times.within(agreed_s),
        }
    return columns


def _rounded(value: float | None) -> float | None:
    """To the thousandth."""
    return None if value is None else round(value, 3)


def _cut(value: float | None) -> float | None:
    """Down to the thousandth: 99.9996 percent is not 100."""
    return None if value is None else floor(value * 1000) / 1000
