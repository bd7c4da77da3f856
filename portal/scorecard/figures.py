"""The figures of a scorecard: pure functions of facts. docs/scorecard.md says the same for people.

A figure with too few values is None, because they would judge a provider by chance. The counts
stay.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import ceil
from statistics import median
from typing import Final, Self

from portal.scorecard.facts import (
    MeasuredMitigation,
    RefusalReason,
    SessionChange,
    SessionPhase,
)

MIN_FOR_MEDIAN: Final = 5
MIN_FOR_P95: Final = 20
"""With fewer values the 95th percentile is the largest one."""
MIN_FOR_SHARE: Final = 10
MIN_MEASURED_S: Final = 24 * 3600
"""Seconds of measured session before availability is a figure."""
UNDER_ATTACK: Final = 1
MITIGATED: Final = 2
"""Attack status values of RFC 9132 Table 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Durations in seconds, the shortest first."""

    values: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def median_s(self) -> float | None:
        """The middle one, or the mean of the two in the middle."""
        return median(self.values) if self.count >= MIN_FOR_MEDIAN else None

    @property
    def p95_s(self) -> float | None:
        """The smallest value that 95 of 100 do not exceed (nearest rank)."""
        if self.count < MIN_FOR_P95:
            return None
        return self.values[ceil(0.95 * self.count) - 1]

    def within(self, limit_s: int) -> int:
        """How many take no longer."""
        return bisect_right(self.values, limit_s)


@dataclass(frozen=True, slots=True)
class Share:
    """Some of several."""

    count: int
    total: int

    @property
    def percent(self) -> float | None:
        return 100 * self.count / self.total if self.total >= MIN_FOR_SHARE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTime:
    """Seconds in each phase."""

    up_s: float = 0
    down_s: float = 0
    not_measured_s: float = 0

    @property
    def measured_s(self) -> float:
        return self.up_s + self.down_s

    @property
    def percent(self) -> float | None:
        """The part of the measured time in which the session was up."""
        return 100 * self.up_s / self.measured_s if self.measured_s >= MIN_MEASURED_S else None

    def plus(self, other: SessionTime) -> SessionTime:
        return SessionTime(
            up_s=self.up_s + other.up_s,
            down_s=self.down_s + other.down_s,
            not_measured_s=self.not_measured_s + other.not_measured_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFigures:
    """What became of the drills, apart from real requests."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    accept: Times = Times()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One provider in one month or period."""

    asked: int
    unsent: int
    "nothing left the portal: no session, or withdrawn before"
    sent: int
    "each of these is counted once in the six below or more often: a refused one may be accepted"
    accepted: int
    refused: int
    exceeded: int
    put_off: int
    looped: int
    unanswered: int
    "sent, and neither accepted, refused nor looped"
    accept: Times
    filter: Times
    stop: Times
    stop_unconfirmed: int
    "over without a word of the provider that it has stopped"
    reasons: tuple[tuple[RefusalReason, int], ...]
    "mitigations by reason, the most frequent first"
    mitigated: int
    under_attack: int
    "what people reported last about the attack"
    sessions: SessionTime
    drill_figures: DrillFigures
    organizations: int
    "that asked the provider"
    lacking_events: int
    "mitigations whose times are missing, because the log no longer has them"

    @classmethod
    def of(cls, mitigations: Collection[MeasuredMitigation], sessions: SessionTime) -> Self:
        real = [one for one in mitigations if not one.is_drill]
        sent = [one for one in real if one.sent_at is not None]
        withdrawn = [one for one in sent if one.accepted_at and one.stop_asked_at]
        reasons = Counter(reason for one in sent for reason in one.reasons)
        return cls(
            asked=len(real),
            unsent=len(real) - len(sent),
            sent=len(sent),
            accepted=sum(one.accepted_at is not None for one in sent),
            refused=sum(bool(one.reasons) for one in sent),
            exceeded=sum(one.was_exceeded for one in sent),
            put_off=sum(one.was_put_off for one in sent),
            looped=sum(one.has_looped for one in sent),
            unanswered=sum(not _is_answered(one) for one in sent),
            accept=_times((one.sent_at, one.accepted_at) for one in sent),
            filter=_times((one.sent_at, one.filtering_at) for one in sent),
            stop=_times((one.stop_asked_at, one.stopped_at) for one in withdrawn),
            stop_unconfirmed=sum(one.is_over and one.stopped_at is None for one in withdrawn),
            reasons=tuple(sorted(reasons.items(), key=lambda one: (-one[1], str(one[0])))),
            mitigated=sum(one.attack_status == MITIGATED for one in sent),
            under_attack=sum(one.attack_status == UNDER_ATTACK for one in sent),
            sessions=sessions,
            drill_figures=_drills([one for one in mitigations if one.is_drill]),
            organizations=len({one.organization for one in real}),
            lacking_events=sum(one.lacks_events for one in mitigations),
        )

    @property
    def refused_share(self) -> Share:
        return Share(self.refused, self.sent)

    @property
    def exceeded_share(self) -> Share:
        return Share(self.exceeded, self.sent)

    @property
    def mitigated_share(self) -> Share:
        return Share(self.mitigated, self.mitigated + self.under_attack)


def session_time(
    before: SessionPhase, changes: Sequence[SessionChange], begins: datetime, ends: datetime
) -> SessionTime:
    """The time in each phase from `begins` to `ends`. `changes` are in order; `before`: the phase
    until the first of them. Changes outside the period only say how it begins.
    """
    seconds = dict.fromkeys(SessionPhase, 0.0)
    steps = [SessionChange(begins, before), *changes]
    marks = [*steps, SessionChange(ends, SessionPhase.NOT_MEASURED)]
    for step, following in pairwise(marks):
        start, end = max(step.at, begins), min(following.at, ends)
        seconds[step.phase] += max(0.0, (end - start).total_seconds())
    return SessionTime(
        up_s=seconds[SessionPhase.UP],
        down_s=seconds[SessionPhase.DOWN],
        not_measured_s=seconds[SessionPhase.NOT_MEASURED],
    )


def _is_answered(one: MeasuredMitigation) -> bool:
    return bool(one.accepted_at or one.reasons or one.has_looped)


def _drills(mitigations: Sequence[MeasuredMitigation]) -> DrillFigures:
    sent = [one for one in mitigations if one.sent_at is not None]
    return DrillFigures(
        sent=len(sent),
        accepted=sum(one.accepted_at is not None for one in sent),
        refused=sum(bool(one.reasons) for one in sent),
        accept=_times((one.sent_at, one.accepted_at) for one in sent),
    )


def _times(spans: Iterable[tuple[datetime | None, datetime | None]]) -> Times:
    """Spans without both ends are left out; an answer before the question counts as 0."""
    found = (max(0.0, (end - start).total_seconds()) for start, end in spans if start and end)
    return Times(values=tuple(sorted(found)))
