"""Count live requests and refuse one that exceeds a limit (ADR 50)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final
from uuid import UUID

from django.db.models import Count, QuerySet

from portal.accounts.actors import Actor
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.quota import (
    MAX_ENDING_PER_REQUEST,
    Excess,
    Quota,
    QuotaExceeded,
    Usage,
    excess,
)
from portal.mitigations.services.locks import mitigations_of
from portal.mitigations.states import REQUEST_TERMINAL, RequestStatus, Status
from portal.mitigations.wording import quota_sentence
from portal.organizations.models import Organization

RequestGroup = tuple[str, str, UUID | None, str, str, int]
"""Kind, status, person, origin and its name of some requests, and how many they are."""

NOT_OVER: Final = tuple(one for one in RequestStatus if one not in REQUEST_TERMINAL)


def check_quota(
    organization: Organization,
    actor: Actor,
    *,
    kind: RequestKind = RequestKind.IMMEDIATE,
    replaced: Collection[UUID] = (),
) -> None:
    """Raises QuotaExceeded if the actor may not submit one more request.

    The caller holds the lock on the organization's log until its commit, so of several simultaneous
    submissions each one counts those before it. `replaced`: the ids that the new request replaces.
    """
    found = quota_excess(organization, actor, kind=kind, replaced=replaced)
    if found is not None:
        raise _exceeded(found, organization, actor)


def quota_excess(
    organization: Organization,
    actor: Actor,
    *,
    kind: RequestKind = RequestKind.IMMEDIATE,
    replaced: Collection[UUID] = (),
) -> Excess | None:
    """The limit that one more request would exceed now; None if there is none."""
    present = MitigationRequest.objects.filter(organization=organization, status__in=NOT_OVER)
    usages = list(
        _usages(_groups(present.exclude(pk__in=replaced) if replaced else present), actor)
    )
    if replaced:
        ended = _usages(_groups(present.filter(pk__in=replaced)), actor)
        usages += [(usage.replaced, is_own) for usage, is_own in ended]
    return _excess(organization, actor, usages, is_immediate=kind == RequestKind.IMMEDIATE)


def has_room(organization: Organization, actor: Actor, groups: Iterable[RequestGroup]) -> bool:
    """Whether the actor may submit one more immediate request. `groups`: all that are not over."""
    usages = list(_usages(groups, actor))
    return _excess(organization, actor, usages, is_immediate=True) is None


def _excess(
    organization: Organization,
    actor: Actor,
    usages: Sequence[tuple[Usage, bool]],
    *,
    is_immediate: bool,
) -> Excess | None:
    return excess(
        sum((usage for usage, _ in usages), Usage()),
        sum((usage for usage, is_own in usages if is_own), Usage()),
        limit=organization.max_live_requests,
        own_limit=organization.max_live_requests_per_person,
        is_person=actor.user is not None,
        is_immediate=is_immediate,
    )


def refuse_if_many_end(request: MitigationRequest, actor: Actor) -> None:
    """Raises QuotaExceeded if too many mitigations of this locked request are still ending."""
    present = [one for one in mitigations_of(request) if not one.is_over]
    ending = sum(one.status == Status.TERMINATING for one in present)
    if ending < MAX_ENDING_PER_REQUEST:
        return
    found = Excess(
        code=Quota.ENDING_MITIGATIONS,
        limit=MAX_ENDING_PER_REQUEST,
        usage=Usage(live=len(present) - ending, ending=ending),
        is_own=False,
    )
    raise _exceeded(found, request.organization, actor)


def _exceeded(found: Excess, organization: Organization, actor: Actor) -> QuotaExceeded:
    sentence = quota_sentence(found, organization=organization.name, actor=actor)
    return QuotaExceeded(found, sentence)


def _groups(requests: QuerySet[MitigationRequest]) -> Iterable[RequestGroup]:
    # Groups cost less than conditional counts, which Django takes long to compile.
    return requests.values_list(
        "kind", "status", "created_by_id", "origin", "origin_name"
    ).annotate(count=Count("pk"))


def _usages(groups: Iterable[RequestGroup], actor: Actor) -> Iterator[tuple[Usage, bool]]:
    """Each part of the groups, with whether it belongs to the actor."""
    for kind, status, created_by, origin, origin_name, count in groups:
        if actor.user is not None:
            is_own = created_by == actor.user.pk
        else:
            is_own = (origin, origin_name) == (actor.kind, actor.name)
        if status == RequestStatus.TERMINATING:
            yield Usage(ending=count), is_own
        elif kind == RequestKind.IMMEDIATE:
            yield Usage(live=count), is_own
