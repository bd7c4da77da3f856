"""The scorecard over all organizations: figures of each provider, nothing of a customer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from portal.web.options import Option
from portal.web.rendering import Page
from portal.web.scorecard.sections import (
    Chosen,
    ProviderSection,
    chosen,
    month_options,
    sections,
)
from portal.wording.scorecard import MINIMUMS


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffScorecardPage(Page):
    """The figures of each provider in the chosen months."""

    template: ClassVar = "staff/scorecard.html"

    chosen: Chosen
    firsts: Sequence[Option]
    lasts: Sequence[Option]
    providers: Sequence[ProviderSection]
    minimums: str
    now: datetime


def staff_scorecard_page(query: Mapping[str, str], now: datetime) -> StaffScorecardPage:
    found = chosen(None, query, now)
    return StaffScorecardPage(
        chosen=found,
        firsts=month_options(found.period, now, found.period.first),
        lasts=month_options(found.period, now, found.period.last),
        providers=sections(found),
        minimums=MINIMUMS,
        now=now,
    )
