"""What the pages of an organization and of the portal's staff have in common: the choice of months,
and the figures of each provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from portal.core.errors import Invalid
from portal.organizations.models import Organization
from portal.scorecard.periods import Month, Period, period_of
from portal.scorecard.queries import TooMuchToScore
from portal.scorecard.scorecards import ProviderScore, Scorecard, scorecard_of
from portal.web.options import Option, options
from portal.wording.scorecard import (
    CountLine,
    MonthLine,
    TimeLine,
    completeness_words,
    count_lines,
    month_line,
    period_words,
    session_line,
    time_lines,
)

OFFERED_MONTHS: Final = 24
"""In the lists to choose from; an address may name older ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSection:
    """One provider in the whole period, and month by month if there are several."""

    id: str
    name: str
    note: str
    "why its figures are not those of the whole time; empty: they are"
    times: Sequence[TimeLine]
    counts: Sequence[CountLine]
    months: Sequence[MonthLine]
    organizations: int
    "that asked it"
    levels: str
    "the address of the form of its service levels; empty: this person may not change them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The chosen period with its figures, or why there are none."""

    period: Period
    scorecard: Scorecard | None
    error: str
    status: int

    @property
    def words(self) -> str:
        return period_words(self.period)

    @property
    def query(self) -> str:
        return urlencode({"from": str(self.period.first), "to": str(self.period.last)})

    @property
    def note(self) -> str:
        return "" if self.scorecard is None else completeness_words(self.scorecard.completeness)

    @property
    def scores(self) -> Sequence[ProviderScore]:
        return () if self.scorecard is None else self.scorecard.providers


def current_zone() -> ZoneInfo:
    """That of the person who reads the page."""
    return ZoneInfo(timezone.get_current_timezone_name())


def chosen(organization: Organization | None, query: Mapping[str, str], now: datetime) -> Chosen:
    """What the query string asks for; with an error, the current month without figures."""
    zone = current_zone()
    try:
        period = period_of(query.get("from", ""), query.get("to", ""), now=now, zone=zone)
    except Invalid as error:
        period = period_of("", "", now=now, zone=zone)
        return Chosen(period=period, scorecard=None, error=error.message, status=error.http_status)
    try:
        found = scorecard_of(organization, period, now)
    except TooMuchToScore as error:
        return Chosen(period=period, scorecard=None, error=error.message, status=error.http_status)
    return Chosen(period=period, scorecard=found, error="", status=200)


def month_options(period: Period, now: datetime, wanted: Month) -> list[Option]:
    """The newest first."""
    current = Month.of(now, period.zone)
    offered = {current.plus(-count) for count in range(OFFERED_MONTHS)}
    offered |= {period.first, period.last}
    words = {
        str(month): period_words(Period(month, month, period.zone))
        for month in sorted(offered, reverse=True)
    }
    return options(words, str(wanted))


def sections(found: Chosen, *, slug: str = "", is_admin: bool = False) -> list[ProviderSection]:
    """Without `slug`: of all organizations. A note that the page has anyway is not repeated."""
    return [
        ProviderSection(
            id=f"p-{index}",
            name=one.name,
            note=_own_note(one, found),
            times=list(time_lines(one.figures, one.levels)),
            counts=[
                *count_lines(one.figures, one.name, is_staff=not slug),
                session_line(one.figures.sessions, one.levels),
            ],
            months=[month_line(each.month, each.figures, each.completeness) for each in one.months]
            if len(one.months) > 1
            else [],
            organizations=one.figures.organizations,
            levels=reverse("scorecard:levels", args=[slug, one.provider])
            if slug and is_admin
            else "",
        )
        for index, one in enumerate(found.scores, start=1)
    ]


def _own_note(score: ProviderScore, found: Chosen) -> str:
    note = completeness_words(score.completeness, lacking_events=score.figures.lacking_events)
    return "" if note == found.note else note
