"""Drills as data and as text: how long each provider took, and what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.organizations.acting import name_at
from portal.organizations.models import Organization
from portal.readiness.checks import prepared
from portal.readiness.checks.prepared import day_and_time, seconds
from portal.readiness.rows import BADGES, State
from portal.standby import models, queries
from portal.wording import Badge
from portal.wording.from_rows.drills import refused_because

FAILURES: Final = {
    models.Failure.NOT_SENT: "Nothing was sent to {provider}: it was not connected.",
    models.Failure.NO_ANSWER: "{provider} did not confirm in time.",
    models.Failure.REFUSED: "{provider} refused.",
    models.Failure.NOT_HELD: "{provider} did not keep holding it.",
    models.Failure.ACTED: "{provider} began to filter instead of holding it.",
    models.Failure.NOT_TOLD: "The portal could not tell {provider} to release it.",
    models.Failure.NOT_ENDED: (
        "{provider} was told to release it but has not confirmed the release."
    ),
}
RUNNING: Final = Badge("Running", "ring-dot", "idle")


def drills_of(
    organization: Organization,
) -> tuple[prepared.DrillFacts | None, prepared.DrillFacts | None]:
    """The newest, and the newest that passed."""
    last = queries.last_drill(organization)
    if last is None:
        return None, None
    newest = drill_of(last)
    if newest.has_passed:
        return newest, newest
    passed = queries.last_passed_drill(organization)
    if passed is None:
        return newest, None
    # It may have ended between the two queries.
    return (drill_of(passed) if passed.pk == last.pk else newest), drill_of(passed)


def drill_of(row: models.Drill) -> prepared.DrillFacts:
    return prepared.DrillFacts(
        started_at=row.started_at,
        by=name_at(row.started_by, row.organization_id, row.started_at),
        is_over=row.is_over,
        parts=tuple(_part(check) for check in row.checks.all()),
    )


def _part(check: models.DrillCheck) -> prepared.DrillPart:
    provider = check.subscription.provider
    by_plan = (
        f", plan “{check.mitigation.request.name}”" if check.way == models.DrillMethod.PLAN else ""
    )
    failure = ""
    if check.failure:
        words = FAILURES[models.Failure(check.failure)].format(provider=provider.short_name)
        failure = f"{words} {refused_because(check)}".strip()
        if check.mitigation.is_still_held:
            failure = (
                f"{failure} It confirmed the withdrawal and still holds the request. Call "
                f"{provider.phone}."
            )
    return prepared.DrillPart(
        name=f"{provider.name}{by_plan}",
        short=provider.short_name,
        confirmed_s=_between(check.sent_at or check.asked_at, check.confirmed_at),
        withdrawn_s=_between(check.withdrawn_at, check.ended_at),
        failure=failure,
        is_over=check.is_over,
    )


def _between(first: datetime | None, last: datetime | None) -> float | None:
    """Never below zero: the two times may come from different clocks."""
    if first is None or last is None:
        return None
    return max(0.0, (last - first).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class PartShown:
    """One provider's line in the table of a drill."""

    name: str
    badge: Badge
    words: str
    confirmed: str
    withdrawn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillTable:
    """A drill as its table shows it."""

    title: str
    when: str
    by: str
    parts: tuple[PartShown, ...]


def drill_table(drill: prepared.DrillFacts, now: datetime) -> DrillTable:
    at = day_and_time(drill.started_at, now)
    return DrillTable(
        title=f"{at[:1].upper()}{at[1:]}, by {drill.by}",
        when=at,
        by=drill.by,
        parts=tuple(_part_shown(part) for part in drill.parts),
    )


def _part_shown(part: prepared.DrillPart) -> PartShown:
    if part.failure:
        badge, words = BADGES[State.FAIL], part.failure
    elif part.is_over:
        badge, words = BADGES[State.PASS], "Passed"
    else:
        badge, words = RUNNING, "Withdrawing" if part.confirmed_s is not None else "Asking"
    return PartShown(
        name=part.name,
        badge=badge,
        words=words,
        confirmed=seconds(part.confirmed_s),
        withdrawn=seconds(part.withdrawn_s),
    )
