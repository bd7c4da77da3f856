"""What needs staff at each organization, worst first, in a number of statements that does not
depend on how many there are.

It names neither targets nor requests: staff who need these act for the organization.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Min, Q

from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Wanted
from portal.mitigations.states import REQUEST_TERMINAL, RequestStatus, Status
from portal.organizations.models import Membership, Organization, ProtectedResource, Role
from portal.providers.certificate_validity import validities
from portal.providers.models import SessionState, Subscription
from portal.readiness.checks.certificates import WARN_BEFORE_END
from portal.sso.queries import can_give_factor

MAX_PEMS: Final = 4096
"""Certificates whose end is kept in memory."""


class Concern(StrEnum):
    """What may need staff, the worst first."""

    FAILING = "failing"
    NO_ANSWER = "no_answer"
    OVER_CAPACITY = "over_capacity"
    LIVE = "live"
    SESSION_DOWN = "session_down"
    CERTIFICATE_ENDED = "certificate_ended"
    CERTIFICATE_ENDING = "certificate_ending"
    NO_PROVIDER = "no_provider"
    NO_RESOURCE = "no_resource"
    NO_ADMIN = "no_admin"
    AWAITING_APPROVAL = "awaiting_approval"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    "its people cannot sign in to it"


WORST_FIRST: Final = {concern: place for place, concern in enumerate(Concern)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcernFound:
    """One concern of one organization."""

    concern: Concern
    count: int = 1
    at: datetime | None = None
    "since when, of the oldest; of a certificate: when it ends or ended; None: always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One organization, as staff see it."""

    slug: str
    name: str
    admins: int
    members: int
    live: int
    "requests that are not over"
    found: tuple[ConcernFound, ...]
    "the worst first; empty: nothing needs staff"

    @property
    def needs_look(self) -> bool:
        """Whether anything here may need staff: that staff closed it does not."""
        return any(one.concern != Concern.CLOSED for one in self.found)

    @property
    def rank(self) -> tuple[int, float, str]:
        """The place in a list: the worst concern first, then the oldest."""
        if not self.found:
            return len(Concern), 0.0, self.name
        worst = self.found[0]
        return WORST_FIRST[worst.concern], worst.at.timestamp() if worst.at else 0.0, self.name


_All = dict[UUID, list[ConcernFound]]


def customers(now: datetime, *, name: str = "") -> list[Customer]:
    """All organizations whose name contains `name`, the worst first."""
    rows = Organization.objects.filter(name__icontains=name) if name else Organization.objects
    organizations = list(
        rows.order_by("name", "slug").values("pk", "slug", "name", "is_active", "suspended_at")
    )
    found: _All = defaultdict(list)
    live: dict[UUID, int] = defaultdict(int)
    for read in (_requests(live), _mitigations(), _sessions(now)):
        for organization_id, one in read:
            found[organization_id].append(one)
    people = _people()
    own = _verified()
    connected = set(
        Subscription.objects.filter(enabled=True).values_list("organization_id", flat=True)
    )
    return sorted(
        (
            _customer(
                row,
                [*found[row["pk"]], *_unready(row, people, own, connected), *_closed(row)],
                people.get(row["pk"], {}),
                live[row["pk"]],
            )
            for row in organizations
        ),
        key=lambda customer: customer.rank,
    )


def _customer(
    row: Mapping[str, Any], found: Iterable[ConcernFound], people: dict[str, Any], live: int
) -> Customer:
    return Customer(
        slug=row["slug"],
        name=row["name"],
        admins=people.get("admins", 0),
        members=people.get("members", 0),
        live=live,
        found=tuple(sorted(found, key=lambda one: WORST_FIRST[one.concern])),
    )


_REQUESTS: Final[dict[str, Concern]] = {
    RequestStatus.FAILING.value: Concern.FAILING,
    RequestStatus.AWAITING_APPROVAL.value: Concern.AWAITING_APPROVAL,
}


def _requests(live: dict[UUID, int]) -> Iterator[tuple[UUID, ConcernFound]]:
    """Counts the live requests into `live`."""
    groups = (
        MitigationRequest.objects.filter(kind=RequestKind.IMMEDIATE)
        .exclude(status__in=REQUEST_TERMINAL)
        .order_by()
        .values("organization_id", "status")
        .annotate(count=Count("pk"), at=Min("created_at"))
    )
    oldest: dict[UUID, datetime] = {}
    for one in groups:
        owner, count, at = one["organization_id"], one["count"], one["at"]
        concern = _REQUESTS.get(one["status"])
        if concern != Concern.AWAITING_APPROVAL:
            live[owner] += count
            oldest[owner] = min(at, oldest.get(owner, at))
        if concern is not None:
            yield owner, ConcernFound(concern=concern, count=count, at=at)
    for owner, at in oldest.items():
        yield owner, ConcernFound(concern=Concern.LIVE, count=live[owner], at=at)


def _mitigations() -> Iterator[tuple[UUID, ConcernFound]]:
    """Of live requests: providers that do not answer, or report too large an attack."""
    is_silent = Q(status=Status.PENDING, overdue_at__isnull=False)
    groups = (
        Mitigation.objects.filter(
            is_silent | Q(status=Status.EXCEEDED),
            wanted=Wanted.ACTIVE,
            request__kind=RequestKind.IMMEDIATE,
        )
        .exclude(request__status__in=REQUEST_TERMINAL)
        .order_by()
        .values("organization_id", "status")
        .annotate(
            count=Count("request", distinct=True), silent=Min("overdue_at"), at=Min("reported_at")
        )
    )
    for one in groups:
        is_exceeded = one["status"] == Status.EXCEEDED
        yield (
            one["organization_id"],
            ConcernFound(
                concern=Concern.OVER_CAPACITY if is_exceeded else Concern.NO_ANSWER,
                count=one["count"],
                at=one["at"] if is_exceeded else one["silent"],
            ),
        )


def _sessions(now: datetime) -> Iterator[tuple[UUID, ConcernFound]]:
    """Sessions that are down, and the first certificate that ends."""
    down: dict[UUID, list[datetime | None]] = defaultdict(list)
    ends: dict[UUID, list[datetime]] = defaultdict(list)
    rows = Subscription.objects.filter(enabled=True).values_list(
        "organization_id", "session_state", "session_since", "certificate_chain"
    )
    for owner, state, since, chain in rows:
        if state == SessionState.DOWN:
            down[owner].append(since)
        if (end := _end_of(chain)) is not None and end - now <= WARN_BEFORE_END:
            ends[owner].append(end)
    for owner, sinces in down.items():
        at = min((one for one in sinces if one), default=None)
        yield owner, ConcernFound(concern=Concern.SESSION_DOWN, count=len(sinces), at=at)
    for owner, dates in ends.items():
        first = min(dates)
        is_over = first <= now
        concern = Concern.CERTIFICATE_ENDED if is_over else Concern.CERTIFICATE_ENDING
        count = sum((one <= now) == is_over for one in dates)
        yield owner, ConcernFound(concern=concern, count=count, at=first)


@lru_cache(maxsize=MAX_PEMS)
def _end_of(chain: str) -> datetime | None:
    """When the first certificate of a chain ends; None if it cannot be read."""
    return min((one.ends for one in validities(chain)), default=None)


def _people() -> dict[UUID, dict[str, Any]]:
    """By organization: its members, its admins, and those of them who can sign in."""
    groups = (
        Membership.objects.filter(user__is_active=True)
        .order_by()
        .alias(has_factor=can_give_factor())
        .values("organization_id")
        .annotate(
            members=Count("pk"),
            admins=Count("pk", filter=Q(role=Role.ADMIN)),
            able=Count("pk", filter=Q(role=Role.ADMIN) & Q(has_factor=True)),
        )
    )
    return {one["organization_id"]: dict(one) for one in groups}


def _verified() -> set[UUID]:
    verified = ProtectedResource.objects.filter(verified_at__isnull=False)
    return set(verified.values_list("organization_id", flat=True).distinct())


def _unready(
    row: Mapping[str, Any],
    people: dict[UUID, dict[str, Any]],
    verified: set[UUID],
    connected: set[UUID],
) -> Iterator[ConcernFound]:
    """Why it could not request mitigation now; nothing if it is closed."""
    owner = row["pk"]
    missing: dict[Concern, Callable[[], bool]] = {
        Concern.NO_PROVIDER: lambda: owner not in connected,
        Concern.NO_RESOURCE: lambda: owner not in verified,
        Concern.NO_ADMIN: lambda: not people.get(owner, {}).get("able"),
    }
    return (
        ConcernFound(concern=concern)
        for concern, is_missing in missing.items()
        if row["is_active"] and is_missing()
    )


def _closed(row: Mapping[str, Any]) -> Iterator[ConcernFound]:
    if row["suspended_at"] is not None:
        yield ConcernFound(concern=Concern.SUSPENDED, at=row["suspended_at"])
    if not row["is_active"]:
        yield ConcernFound(concern=Concern.CLOSED)
