"""The scorecard of an organization's providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from portal.organizations.models import Role
from portal.web.frame import Frame
from portal.web.options import Option
from portal.web.rendering import FramedPage
from portal.web.scorecard.sections import (
    Chosen,
    ProviderSection,
    chosen,
    month_options,
    sections,
)
from portal.wording.scorecard import MINIMUMS


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorecardPage(FramedPage):
    """The figures of each provider in the chosen months."""

    template: ClassVar = "scorecard/scorecard.html"

    chosen: Chosen
    firsts: Sequence[Option]
    lasts: Sequence[Option]
    providers: Sequence[ProviderSection]
    minimums: str


def scorecard_page(start: Frame, query: Mapping[str, str]) -> ScorecardPage:
    found = chosen(start.organization, query, start.now)
    return ScorecardPage(
        frame=start,
        here="readiness",
        title="Scorecard",
        chosen=found,
        firsts=month_options(found.period, start.now, found.period.first),
        lasts=month_options(found.period, start.now, found.period.last),
        providers=sections(
            found,
            slug=start.organization.slug,
            is_admin=start.membership.allows(Role.ADMIN),
        ),
        minimums=MINIMUMS,
    )
