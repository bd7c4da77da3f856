"""Put the figures of a period together: for each provider the whole period, and each month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import reduce
from uuid import UUID

from portal.organizations.models import Organization
from portal.scorecard import queries
from portal.scorecard.facts import MeasuredMitigation, SessionPhase
from portal.scorecard.figures import Figures, SessionTime, session_time
from portal.scorecard.periods import Month, Period
from portal.scorecard.queries import OwnSubscription, Sessions
from portal.scorecard.services import LevelValues


class Completeness(StrEnum):
    """Whether the log still has, and already has, all of a month or period."""

    COMPLETE = "complete"
    RUNNING = "running"
    "it is not over yet"
    INCOMPLETE = "incomplete"
    "events of it were removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthScore:
    """One provider in one month."""

    month: Month
    figures: Figures
    completeness: Completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderScore:
    """One provider in the whole period, and in each of its months."""

    provider: UUID
    name: str
    levels: LevelValues
    figures: Figures
    completeness: Completeness
    months: tuple[MonthScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """All providers in one period."""

    period: Period
    until: datetime
    "the end of the period, or now"
    providers: tuple[ProviderScore, ...]
    completeness: Completeness


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """All that was read of the period."""

    period: Period
    now: datetime
    sessions: Sessions
    removed_until: datetime | None

    def score(
        self,
        subscriptions: Sequence[OwnSubscription],
        mitigations: Sequence[MeasuredMitigation],
        levels: LevelValues,
    ) -> ProviderScore:
        zone = self.period.zone
        by_month: dict[Month, list[MeasuredMitigation]] = defaultdict(list)
        for one in mitigations:
            by_month[Month.of(one.requested_at, zone)].append(one)
        months = []
        for month in self.period.months:
            begins, ends = month.begins(zone), month.plus(1).begins(zone)
            found = Figures.of(by_month[month], self._session_time(subscriptions, begins, ends))
            completeness = self.completeness(begins, ends, found)
            months.append(MonthScore(month=month, figures=found, completeness=completeness))
        whole = Figures.of(mitigations, sum_of(one.figures.sessions for one in months))
        return ProviderScore(
            provider=subscriptions[0].provider,
            name=subscriptions[0].name,
            levels=levels,
            figures=whole,
            completeness=self.completeness(self.period.begins, self.period.ends, whole),
            months=tuple(months),
        )

    def completeness(
        self, begins: datetime, ends: datetime, figures: Figures | None = None
    ) -> Completeness:
        is_removed = self.removed_until is not None and begins < self.removed_until
        if is_removed or (figures is not None and figures.lacking_events):
            return Completeness.INCOMPLETE
        return Completeness.RUNNING if self.now < ends else Completeness.COMPLETE

    def _session_time(
        self, subscriptions: Sequence[OwnSubscription], begins: datetime, ends: datetime
    ) -> SessionTime:
        return sum_of(
            session_time(
                self.sessions.before.get(one.id, SessionPhase.NOT_MEASURED),
                self.sessions.changes.get(one.id, ()),
                begins,
                min(ends, self.now),
            )
            for one in subscriptions
        )


def scorecard_of(organization: Organization | None, period: Period, now: datetime) -> Scorecard:
    """Of one organization; for None, of all together, without service levels.

    Raises TooMuchToScore.
    """
    agreed = {} if organization is None else queries.levels(organization)
    own: dict[UUID, list[OwnSubscription]] = defaultdict(list)
    for subscription in queries.own_subscriptions(organization):
        own[subscription.provider].append(subscription)
    by_provider: dict[UUID, list[MeasuredMitigation]] = defaultdict(list)
    for one in queries.mitigations(organization, period):
        by_provider[one.provider].append(one)
    facts = _Facts(
        period=period,
        now=now,
        sessions=queries.sessions(organization, period),
        removed_until=queries.removed_until(organization),
    )
    return Scorecard(
        period=period,
        until=min(period.ends, now),
        providers=tuple(
            facts.score(group, by_provider[provider], agreed.get(provider, LevelValues()))
            for provider, group in own.items()
            if by_provider[provider] or any(one.has_key for one in group)
        ),
        completeness=facts.completeness(period.begins, period.ends),
    )


def sum_of(times: Iterable[SessionTime]) -> SessionTime:
    return reduce(SessionTime.plus, times, SessionTime())
