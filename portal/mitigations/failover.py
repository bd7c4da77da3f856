"""Which provider is asked next, which is withdrawn, and which targets no provider protects. Pure
functions of the mitigations.

Providers may protect different parts of a request, so each target is handled separately: it goes to
the first provider in order that may protect it, and to the next one if the earlier ones do not
help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal.core.targets import Targets
from portal.mitigations.causes import Cause, WithdrawnCause
from portal.mitigations.models import (
    EndedBy,
    Mitigation,
    MitigationRequest,
    RequestKind,
    Wanted,
)
from portal.mitigations.states import CONFIRMED, LOOP, SET_BACK, RequestStatus, Status

CLOCKS_APART: Final = timedelta(seconds=5)
"""A provider counts whole seconds from the request; the portal counts from the answer."""
_CAUSES: Final = {
    Status.REFUSED: Cause.REFUSED,
    Status.EXCEEDED: Cause.EXCEEDED,
    Status.WITHDRAWN: Cause.WITHDREW,
}


@dataclass(frozen=True, slots=True)
class Why:
    """Why a provider is asked."""

    cause: Cause
    subscription: UUID | None = None
    "the provider that failed, for a cause in FAILOVER_CAUSES"


FIRST: Final = Why(Cause.FIRST)


@dataclass(frozen=True, slots=True)
class Due:
    """A provider to ask now, and why."""

    subscription: UUID
    why: Why


def current_mitigations(mitigations: Iterable[Mitigation]) -> list[Mitigation]:
    """The newest mitigation of each provider, in the order of the providers. A withdrawn provider
    may have been asked again.
    """
    newest: dict[UUID, Mitigation] = {}
    for mitigation in sorted(mitigations, key=lambda one: one.mid):
        newest[mitigation.subscription_id] = mitigation
    return sorted(newest.values(), key=lambda one: one.position)


def may_be_started(mitigation: Mitigation | None) -> bool:
    """Whether failover may ask this provider: it was never asked, or no person withdrew it."""
    return mitigation is None or _is_withdrawn_by_portal(mitigation)


def due(scopes: Mapping[UUID, Targets], mitigations: Sequence[Mitigation]) -> list[Due]:
    """Which providers to ask now.

    `scopes`: what each provider may protect, in the order in which they are asked.
    """
    free = {subscription: frozenset(scope.texts) for subscription, scope in scopes.items()}
    for mitigation in mitigations:
        if not may_be_started(mitigation):
            free.pop(mitigation.subscription_id, None)
    found: dict[UUID, Why] = {}
    for target in sorted(frozenset().union(*free.values())):
        why = _why_next(target, mitigations)
        if why is not None:
            first = next(one for one, targets in free.items() if target in targets)
            found.setdefault(first, why)
    return [Due(one, found[one]) for one in free if one in found]


def _why_next(target: str, mitigations: Sequence[Mitigation]) -> Why | None:
    """Why the next provider is asked for `target`; None if no other provider is due."""
    holding = [mitigation for mitigation in mitigations if target in mitigation.scope.texts]
    counting = [
        mitigation
        for mitigation in holding
        if not (is_withdrawn_by_person(mitigation) or _is_withdrawn_by_portal(mitigation))
    ]
    if not counting and any(is_withdrawn_by_person(mitigation) for mitigation in holding):
        # Failover does not bring back a provider that a person withdrew.
        return None
    why = FIRST
    for mitigation in counting:
        cause = why_no_help(mitigation)
        if cause is None:
            return None
        why = Why(cause, mitigation.subscription_id)
    return why


def why_no_help(mitigation: Mitigation) -> Cause | None:
    """Why this mitigation does not help; None if it does or might."""
    if mitigation.wanted == Wanted.WITHDRAWN:
        return None
    status = Status(mitigation.status)
    if _is_in_loop(mitigation):
        return Cause.LOOPED
    if mitigation.is_not_sendable:
        return Cause.NOT_SENDABLE
    if status == Status.PENDING and mitigation.unsaved_at is not None:
        return Cause.NOT_SAVED
    if status == Status.PENDING and mitigation.retry_at is not None:
        return Cause.TOLD_TO_WAIT
    if status == Status.PENDING and mitigation.overdue_at is not None:
        return Cause.SILENT
    return _CAUSES.get(status)


def next_try_at(mitigations: Sequence[Mitigation], now: datetime) -> datetime | None:
    """When the portal asks a provider next: `now` while it is asking one, None if only after a
    person acts.
    """
    times = [
        max(mitigation.retry_at or now, now)
        for mitigation in mitigations
        if mitigation.wanted == Wanted.ACTIVE and _is_tried_again(mitigation, mitigations)
    ]
    return min(times, default=None)


def _is_tried_again(mitigation: Mitigation, mitigations: Sequence[Mitigation]) -> bool:
    if mitigation.status == Status.PENDING:
        return True
    is_set_back = mitigation.status in SET_BACK and mitigation.retry_at is not None
    return is_set_back and is_asked_again(mitigation, mitigations)


def _is_in_loop(mitigation: Mitigation) -> bool:
    return mitigation.status == Status.REFUSED and mitigation.refusal_code == LOOP


def is_withdrawn_by_person(mitigation: Mitigation) -> bool:
    return mitigation.wanted == Wanted.WITHDRAWN and mitigation.withdrawn_by_id is not None


def is_withdrawn_by_policy(mitigation: Mitigation) -> bool:
    """Whether policy withdrew it. A process of the earlier release saves only the text."""
    has_cause = (
        mitigation.withdrawn_cause in WithdrawnCause or mitigation.withdrawn_cause_text != ""
    )
    return mitigation.wanted == Wanted.WITHDRAWN and has_cause


def is_given_up_at_end(mitigation: Mitigation) -> bool:
    """Whether the portal withdrew it when the requested lifetime ended. After an extension,
    failover may ask its provider again.
    """
    is_asked_to_end = mitigation.withdrawal_asked_at is not None and not mitigation.hold_again
    return (
        mitigation.wanted == Wanted.WITHDRAWN
        and is_asked_to_end
        and mitigation.replaced_by is None
        and not is_withdrawn_by_person(mitigation)
        and not is_withdrawn_by_policy(mitigation)
    )


def _is_withdrawn_by_portal(mitigation: Mitigation) -> bool:
    return is_withdrawn_by_policy(mitigation) or is_given_up_at_end(mitigation)


def may_filter(mitigation: Mitigation) -> bool:
    """Whether the provider holds it, or may hold it as far as the portal knows."""
    return mitigation.wanted == Wanted.ACTIVE and mitigation.status in (Status.PENDING, *CONFIRMED)


def uncovered_targets(scope: Targets, mitigations: Sequence[Mitigation]) -> list[str]:
    """The targets that no provider holds and that no provider was just asked for the first time."""
    covered = {
        target
        for mitigation in mitigations
        if _helps_or_was_just_asked(mitigation)
        for target in mitigation.scope.texts
    }
    return [target for target in scope.texts if target not in covered]


def is_asked_again(mitigation: Mitigation, mitigations: Sequence[Mitigation]) -> bool:
    """Whether a provider that refused is retried: always for a plan, for a request only if no other
    provider helps.
    """
    request = mitigation.request
    if mitigation.wanted != Wanted.ACTIVE:
        return False
    if request.kind != RequestKind.IMMEDIATE:
        return request.kind == RequestKind.STANDBY
    return not set(uncovered_targets(request.scope, mitigations)).isdisjoint(mitigation.scope.texts)


def _helps_or_was_just_asked(mitigation: Mitigation) -> bool:
    if mitigation.wanted != Wanted.ACTIVE:
        return False
    is_fresh = mitigation.overdue_at is None and mitigation.setbacks == 0
    return mitigation.status in CONFIRMED or (mitigation.status == Status.PENDING and is_fresh)


def requested_until(
    request: MitigationRequest, mitigations: Iterable[Mitigation]
) -> datetime | None:
    """When the requested lifetime ends. It starts with the first confirmation and restarts with
    each extension.

    None: the request renews automatically, is indefinite, or no provider has confirmed it yet.
    """
    if not request.is_immediate or request.auto_renew or request.lifetime_s < 0:
        return None
    confirmed = [
        mitigation.confirmed_at for mitigation in mitigations if mitigation.confirmed_at is not None
    ]
    if not confirmed:
        return None
    extended = [
        mitigation.refresh_asked_at
        for mitigation in mitigations
        if mitigation.refresh_asked_at is not None
    ]
    return max([min(confirmed), *extended]) + timedelta(seconds=request.lifetime_s)


def ended_by(request: MitigationRequest, mitigations: Sequence[Mitigation]) -> EndedBy:
    """Why a request has ended, derived from its mitigations."""
    if request.terminate_asked_at is not None:
        if request.terminate_asked_by_token:
            return EndedBy.SERVICE_TOKEN
        return EndedBy.PORTAL if request.terminate_asked_by_id is None else EndedBy.PERSON
    if request.status == RequestStatus.EXPIRED:
        return EndedBy.LIFETIME
    replaced = [
        mitigation
        for mitigation in mitigations
        # The provider acted on it once more before it ended.
        if mitigation.is_replaced or (mitigation.is_over and mitigation.replaced_by is not None)
    ]
    if replaced:
        lost = any(
            mitigation.replaced_by is None or mitigation.replaced_by.lost for mitigation in replaced
        )
        return EndedBy.NEWER_REQUEST if lost else EndedBy.WIDER_REQUEST
    unasked = [
        mitigation
        for mitigation in mitigations
        if mitigation.is_over and mitigation.wanted == Wanted.ACTIVE
    ]
    if not unasked:
        return EndedBy.PORTAL
    if not request.auto_renew and all(_ended_with_lifetime(mitigation) for mitigation in unasked):
        return EndedBy.LIFETIME
    return EndedBy.PROVIDER


def _ended_with_lifetime(mitigation: Mitigation) -> bool:
    """Whether it ended with its requested lifetime. The provider may report the end before the
    portal's clock reaches it.
    """
    began = mitigation.refreshed_at or mitigation.confirmed_at
    if began is None or mitigation.ended_at is None or mitigation.lifetime_s < 0:
        return False
    return mitigation.ended_at >= began + timedelta(seconds=mitigation.lifetime_s) - CLOCKS_APART
