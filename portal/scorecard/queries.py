"""Read the facts of a period from the mitigations and the event log: a fixed number of statements,
which aggregate the events of each mitigation in the database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import (
    BooleanField,
    Count,
    ExpressionWrapper,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)

from portal.core.errors import Conflict
from portal.events.models import Event, EventCounter, EventType
from portal.events.queries import data_text
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind
from portal.mitigations.states import ACTIVE, CONFIRMED, LOOP, NOT_SENDABLE, TERMINAL, Status
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.scorecard.facts import (
    MeasuredMitigation,
    RefusalReason,
    SessionChange,
    SessionPhase,
)
from portal.scorecard.periods import Period
from portal.scorecard.services import LevelValues

MAX_MITIGATIONS: Final = 20_000
MAX_REFUSALS: Final = 50_000
"""Different reasons of all mitigations together."""
MAX_SESSION_CHANGES: Final = 50_000
KINDS: Final = (RequestKind.IMMEDIATE, RequestKind.DRILL)
"""A standby plan asks for no mitigation; its activation is a separate, immediate request."""
_SESSIONS: Final = (EventType.SESSION_UP, EventType.SESSION_DOWN)
_FILTERING: Final = [str(one) for one in ACTIVE if one != Status.IN_PROGRESS]


class TooMuchToScore(Conflict):
    """The period has more than a scorecard reads, which never leaves anything out silently."""

    code = "too-much-to-score"

    def __init__(self) -> None:
        super().__init__("This period has too many mitigations or sessions. Choose fewer months.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSubscription:
    """A subscription, as a scorecard knows it."""

    id: UUID
    provider: UUID
    name: str
    "of the provider"
    has_key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """What the log says about the sessions of a period."""

    before: Mapping[UUID, SessionPhase]
    "the phase when the period began, by subscription; missing: the log says nothing"
    changes: Mapping[UUID, Sequence[SessionChange]]
    "in order, by subscription"


def own_subscriptions(organization: Organization | None) -> list[OwnSubscription]:
    """Those of one organization, connected or not, in the order in which they are asked; of all
    organizations for None, by the name of the provider.
    """
    rows = Subscription.objects.all()
    if organization is not None:
        rows = rows.filter(organization=organization)
    order = ("provider__name", "pk") if organization is None else ("priority", "pk")
    with_key = ExpressionWrapper(~Q(certificate_chain=""), output_field=BooleanField())
    found = rows.order_by(*order).annotate(has_key=with_key)
    return [
        OwnSubscription(id=pk, provider=provider, name=name, has_key=has_key)
        for pk, provider, name, has_key in found.values_list(
            "pk", "provider_id", "provider__name", "has_key"
        )
    ]


def levels(organization: Organization) -> dict[UUID, LevelValues]:
    """The service levels by provider; those without any are missing."""
    rows = Subscription.objects.filter(organization=organization, service_levels__isnull=False)
    return {
        one.provider_id: LevelValues.of(one.service_levels)
        for one in rows.select_related("service_levels").only("provider_id", "service_levels")
    }


def mitigations(organization: Organization | None, period: Period) -> list[MeasuredMitigation]:
    """Those of the requests that were made in the period, without adopted ones, which the portal
    did not ask for. Raises TooMuchToScore.
    """
    requests = _requests(organization, period)
    rows = list(
        Mitigation.objects.filter(request__in=requests)
        .order_by()
        .values(
            *("pk", "organization_id", "status", "sent_at", "confirmed_at", "withdrawal_asked_at"),
            *("ended_at", "efficacy"),
            kind=F("request__kind"),
            requested_at=F("request__created_at"),
            provider=F("subscription__provider_id"),
        )[: MAX_MITIGATIONS + 1]
    )
    if len(rows) > MAX_MITIGATIONS:
        raise TooMuchToScore
    moments, refusals = _moments(requests), _refusals(requests)
    return [
        _measured(row, moments.get(row["pk"], _NO_EVENTS), refusals.get(row["pk"], frozenset()))
        for row in rows
        if not moments.get(row["pk"], _NO_EVENTS)["adoptions"]
    ]


def _requests(organization: Organization | None, period: Period) -> QuerySet[Any, Any]:
    found = MitigationRequest.objects.filter(
        kind__in=KINDS, created_at__gte=period.begins, created_at__lt=period.ends
    )
    if organization is not None:
        found = found.filter(organization=organization)
    return found.order_by().values("pk")


_NO_EVENTS: Final[Mapping[str, Any]] = {
    "sent": None, "accepted": None, "filtering": None,
    "exceeded": 0, "put_off": 0, "adoptions": 0,
}  # fmt: skip


def _moments(requests: QuerySet[Any, Any]) -> dict[UUID, Mapping[str, Any]]:
    """What the events of each mitigation say, in one row for each."""
    is_report = Q(type=EventType.MITIGATION_STATUS)
    found = (
        Event.objects.filter(
            request_id__in=requests,
            type__in=[EventType.MITIGATION_SENT, EventType.MITIGATION_STATUS],
            mitigation_id__isnull=False,
        )
        .annotate(status=data_text("status"), why=data_text("why"), code=data_text("code"))
        .order_by()
        .values("mitigation_id")
        .annotate(
            sent=Min("at", filter=Q(type=EventType.MITIGATION_SENT)),
            accepted=Min("at", filter=is_report & Q(status__in=[str(one) for one in CONFIRMED])),
            filtering=Min("at", filter=is_report & Q(status__in=_FILTERING)),
            exceeded=Count("pk", filter=is_report & Q(status=Status.EXCEEDED.value)),
            put_off=Count("pk", filter=is_report & Q(code__gt="")),
            adoptions=Count("pk", filter=is_report & Q(why="adopted")),
        )
    )
    return {row["mitigation_id"]: row for row in found if row["mitigation_id"]}


def _refusals(requests: QuerySet[Any, Any]) -> dict[UUID, frozenset[RefusalReason]]:
    """Why each mitigation was refused or looped, without refused refreshes and withdrawals."""
    rows = (
        Event.objects.filter(request_id__in=requests, type=EventType.MITIGATION_REFUSED)
        .annotate(status=data_text("status"), code=data_text("code"))
        .annotate(cause=data_text("conflict__cause"))
        .filter(status=Status.REFUSED.value, mitigation_id__isnull=False)
        .order_by()
        .values_list("mitigation_id", "code", "cause")
        .distinct()[: MAX_REFUSALS + 1]
    )
    by_mitigation: dict[UUID, set[RefusalReason]] = defaultdict(set)
    count = 0
    for mitigation_id, code, cause in rows:
        count += 1
        # SQLite reads a number, not text.
        number = int(cause) if str(cause).isdecimal() else None
        if mitigation_id:
            by_mitigation[mitigation_id].add(RefusalReason(code, number))
    if count > MAX_REFUSALS:
        raise TooMuchToScore
    return {pk: frozenset(found) for pk, found in by_mitigation.items()}


def _measured(
    row: Mapping[str, Any], moments: Mapping[str, Any], refusals: frozenset[RefusalReason]
) -> MeasuredMitigation:
    lacks_sent = row["sent_at"] is not None and moments["sent"] is None
    lacks_confirmed = row["confirmed_at"] is not None and moments["accepted"] is None
    is_stopped = row["status"] == Status.TERMINATED
    return MeasuredMitigation(
        organization=row["organization_id"],
        provider=row["provider"],
        requested_at=row["requested_at"],
        is_drill=row["kind"] == RequestKind.DRILL,
        sent_at=moments["sent"],
        accepted_at=moments["accepted"],
        filtering_at=moments["filtering"],
        stop_asked_at=row["withdrawal_asked_at"],
        stopped_at=row["ended_at"] if is_stopped else None,
        is_over=row["status"] in TERMINAL,
        reasons=frozenset(one for one in refusals if one.code not in (LOOP, NOT_SENDABLE)),
        has_looped=any(one.code == LOOP for one in refusals),
        was_exceeded=bool(moments["exceeded"]),
        was_put_off=bool(moments["put_off"]),
        attack_status=row["efficacy"],
        lacks_events=lacks_sent or lacks_confirmed,
    )


def sessions(organization: Organization | None, period: Period) -> Sessions:
    """The sessions of the period. Raises TooMuchToScore."""
    events = Event.objects.filter(type__in=_SESSIONS).order_by()
    if organization is not None:
        events = events.filter(organization_id=organization.pk)
    events = events.annotate(subscription=data_text("subscription"), fault=data_text("fault"))
    last = (
        events.filter(at__lt=period.begins)
        .values("organization_id", "subscription")
        .annotate(last=Max("pk"))
        .values("last")
    )
    columns = ("subscription", "at", "type", "fault")
    before = Event.objects.filter(pk__in=last).annotate(
        subscription=data_text("subscription"), fault=data_text("fault")
    )
    inside = events.filter(at__gte=period.begins, at__lt=period.ends).order_by("at", "pk")
    changes: dict[UUID, list[SessionChange]] = defaultdict(list)
    rows = list(inside.values_list(*columns)[: MAX_SESSION_CHANGES + 1])
    if len(rows) > MAX_SESSION_CHANGES:
        raise TooMuchToScore
    for subscription, at, type_, fault in rows:
        changes[UUID(subscription)].append(SessionChange(at, _phase(type_, fault)))
    return Sessions(
        before={
            UUID(subscription): _phase(type_, fault)
            for subscription, _, type_, fault in before.order_by().values_list(*columns)
        },
        changes=changes,
    )


def _phase(type_: str, fault: str) -> SessionPhase:
    """Without a session because of the portal itself, nothing is known about the provider."""
    if type_ == EventType.SESSION_UP:
        return SessionPhase.UP
    return SessionPhase.NOT_MEASURED if fault else SessionPhase.DOWN


def removed_until(organization: Organization | None) -> datetime | None:
    """When the first kept event of the log happened, if earlier ones were removed; the latest such
    time of all organizations for None.

    Each event knows how many counter reports directly before it are gone (`thinned`), which no
    figure needs.
    """
    first = Event.objects.filter(organization_id=OuterRef("pk")).order_by("seq")
    logs = EventCounter.objects.annotate(
        seq=Subquery(first.values("seq")[:1]),
        thinned=Subquery(first.values("thinned")[:1]),
        at=Subquery(first.values("at")[:1]),
    ).filter(seq__gt=F("thinned") + 1)
    if organization is not None:
        logs = logs.filter(pk=organization.pk)
    latest: datetime | None = logs.aggregate(latest=Max("at"))["latest"]
    return latest
