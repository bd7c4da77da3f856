"""Who is asked next, who is withdrawn again, and what nobody protects: pure functions of the legs.

Providers may protect different parts of one request, so each target is looked at by itself: it goes to the first
provider in order that may protect it, and to the next one when those before do not help.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from portal.core.formatting import listed
from portal.mitigations.models import (
    EndedBy,
    Mitigation,
    MitigationRequest,
    RequestKind,
    Targets,
    Wanted,
    every_target,
)
from portal.mitigations.states import CONFIRMED, LOOP, SET_BACK, RequestStatus, Status
from portal.organizations.models import LateAcceptance
from portal.providers.models import PathKind

CLOCKS_APART: Final = timedelta(seconds=5)
"""A provider counts whole seconds from the request, the portal counts from the answer."""
_WORDS: Final = {
    Status.REFUSED: "{provider} refused",
    Status.EXCEEDED: "{provider} is over capacity",
    Status.WITHDRAWN: "{provider} stopped by itself",
}


@dataclass(frozen=True, slots=True)
class Due:
    """A provider to be asked now, and why in words; the first ones in order need no reason."""

    subscription: UUID
    because: str


def current_legs(legs: Iterable[Mitigation]) -> list[Mitigation]:
    """The newest leg of each provider, in the order of the lanes: who was withdrawn may have been asked again."""
    newest: dict[UUID, Mitigation] = {}
    for leg in sorted(legs, key=lambda one: one.mid):
        newest[leg.subscription_id] = leg
    return sorted(newest.values(), key=lambda one: one.position)


def may_be_started(leg: Mitigation | None) -> bool:
    """Whether the order may ask this provider: it was never asked, or policy alone withdrew it."""
    return leg is None or is_withdrawn_by_policy(leg)


def due(parts: Mapping[UUID, Targets], legs: Sequence[Mitigation]) -> list[Due]:
    """Whom to ask now. `parts`: what each provider may protect, in the order in which they are asked."""
    free = {subscription: frozenset(every_target(part)) for subscription, part in parts.items()}
    for leg in legs:
        if not may_be_started(leg):
            free.pop(leg.subscription_id, None)
    found: dict[UUID, str] = {}
    for target in sorted(frozenset().union(*free.values())):
        reason = _why_next(target, legs)
        if reason is not None:
            first = next(one for one, targets in free.items() if target in targets)
            found.setdefault(first, reason)
    return [Due(one, found[one]) for one in free if one in found]


def _why_next(target: str, legs: Sequence[Mitigation]) -> str | None:
    """Why the next provider is asked for `target`: "" for the first one, None while nobody else is."""
    holding = [leg for leg in legs if target in every_target(leg.scope)]
    counting = [
        leg for leg in holding if not (is_withdrawn_by_person(leg) or is_withdrawn_by_policy(leg))
    ]
    if not counting and any(is_withdrawn_by_person(leg) for leg in holding):
        # What a person took away is not brought back by the order of the providers.
        return None
    reasons = [why_no_help(leg) for leg in counting]
    if not all(reasons):
        return None
    return reasons[-1] if reasons else ""


def why_no_help(leg: Mitigation) -> str:
    """Why this leg does not help, in words; empty while it does or may."""
    if leg.wanted == Wanted.WITHDRAWN:
        return ""
    provider = leg.subscription.provider.short_name
    status = Status(leg.status)
    if _is_in_loop(leg):
        return f"the request did not reach {provider}"
    if leg.is_not_sendable:
        return f"the portal could not send it to {provider}"
    if status == Status.PENDING and leg.unsaved_at is not None:
        return f"the portal could not save what {provider} answered"
    if status in _WORDS:
        return _WORDS[status].format(provider=provider)
    if status == Status.PENDING and leg.retry_at is not None:
        return f"{_who_answers(leg)} asked the portal to wait"
    if status == Status.PENDING and leg.overdue_at is not None:
        return f"{provider} did not answer"
    return ""


def _who_answers(leg: Mitigation) -> str:
    """A gateway, whose answer it may be, or the provider."""
    provider = leg.subscription.provider
    is_behind = provider.path_kind == PathKind.GATEWAY
    return f"gateway {provider.path_name}" if is_behind else provider.short_name


def waits_for_a_person(legs: Iterable[Mitigation]) -> bool:
    """Nobody is asked again by itself: whoever is wanted never got the request, which went round in a loop."""
    wanted = [leg for leg in legs if leg.wanted == Wanted.ACTIVE]
    return bool(wanted) and all(_is_in_loop(leg) for leg in wanted)


def next_try_at(legs: Sequence[Mitigation], now: datetime) -> datetime | None:
    """When the portal asks a provider next; `now` while it is asking one; None: only after a person acts."""
    times = [
        max(leg.retry_at or now, now)
        for leg in legs
        if leg.wanted == Wanted.ACTIVE and _is_tried_again(leg, legs)
    ]
    return min(times, default=None)


def _is_tried_again(leg: Mitigation, legs: Sequence[Mitigation]) -> bool:
    if leg.status == Status.PENDING:
        return True
    is_set_back = leg.status in SET_BACK and leg.retry_at is not None
    return is_set_back and is_asked_again(leg, legs)


def _is_in_loop(leg: Mitigation) -> bool:
    return leg.status == Status.REFUSED and leg.refusal_code == LOOP


def is_withdrawn_by_person(leg: Mitigation) -> bool:
    return leg.wanted == Wanted.WITHDRAWN and leg.withdrawn_by_id is not None


def is_withdrawn_by_policy(leg: Mitigation) -> bool:
    return leg.wanted == Wanted.WITHDRAWN and bool(leg.withdrawn_because)


def may_filter(leg: Mitigation) -> bool:
    """Somebody counts on it: the provider holds it, or may hold it as far as anybody knows."""
    return leg.wanted == Wanted.ACTIVE and leg.status in (Status.PENDING, *CONFIRMED)


def gap(scope: Targets, legs: Sequence[Mitigation]) -> list[str]:
    """The targets that no provider holds, nor one that was just asked for the first time."""
    covered = {
        target
        for leg in legs
        if _helps_or_was_just_asked(leg)
        for target in every_target(leg.scope)
    }
    return [target for target in every_target(scope) if target not in covered]


def is_asked_again(leg: Mitigation, legs: Sequence[Mitigation]) -> bool:
    """Whether who said no is asked once more: to hold a plan always, for a request what nobody else helps with."""
    request = leg.request
    if leg.wanted != Wanted.ACTIVE:
        return False
    if request.kind != RequestKind.IMMEDIATE:
        return request.kind == RequestKind.STANDBY
    return not set(gap(request.scope, legs)).isdisjoint(every_target(leg.scope))


def _helps_or_was_just_asked(leg: Mitigation) -> bool:
    if leg.wanted != Wanted.ACTIVE:
        return False
    is_fresh = leg.overdue_at is None and leg.setbacks == 0
    return leg.status in CONFIRMED or (leg.status == Status.PENDING and is_fresh)


def surplus(
    legs: Sequence[Mitigation],
    *,
    policy: str,
    heard_since: datetime,
    spared: Collection[UUID] = (),
) -> list[tuple[Mitigation, str]]:
    """The legs that policy withdraws, each with the reason in words: whom fallback asked in vain, as it turned out.

    Only where providers before it report that they filter every target of the later one, and were heard since
    `heard_since`: an acceptance alone stops nothing yet. Never what a person started. `spared`: providers that policy
    withdrew before and had to ask again.
    """
    if policy != LateAcceptance.WITHDRAW_LATER:
        return []
    found: list[tuple[Mitigation, str]] = []
    for later in legs:
        was_fallback = bool(later.because) and later.asked_by_id is None
        if not was_fallback or later.subscription_id in spared or not may_filter(later):
            continue
        filtering = [
            leg
            for leg in legs
            if leg.position < later.position and _filters(leg, heard_since=heard_since)
        ]
        covered = {target for leg in filtering for target in every_target(leg.scope)}
        if filtering and covered.issuperset(every_target(later.scope)):
            verb = "reports that it is" if len(filtering) == 1 else "report that they are"
            names = listed([leg.subscription.provider.short_name for leg in filtering])
            found.append((later, f"{names} {verb} filtering"))
    return found


def _filters(leg: Mitigation, *, heard_since: datetime) -> bool:
    is_fresh = leg.last_heard_at is not None and leg.last_heard_at >= heard_since
    return leg.wanted == Wanted.ACTIVE and leg.status == Status.MITIGATING and is_fresh


def requested_until(request: MitigationRequest, legs: Iterable[Mitigation]) -> datetime | None:
    """When the requested lifetime ends: it begins with the first confirmation, and again with each extension.

    None: the request renews itself, has no end, or no provider has confirmed it yet.
    """
    if not request.is_immediate or request.auto_renew or request.lifetime_s < 0:
        return None
    confirmed = [leg.confirmed_at for leg in legs if leg.confirmed_at is not None]
    if not confirmed:
        return None
    extended = [leg.refresh_asked_at for leg in legs if leg.refresh_asked_at is not None]
    return max([min(confirmed), *extended]) + timedelta(seconds=request.lifetime_s)


def ended_by(request: MitigationRequest, legs: Sequence[Mitigation]) -> EndedBy:
    """Why a request is over, from its mitigations."""
    if request.terminate_asked_at is not None:
        return EndedBy.PORTAL if request.terminate_asked_by_id is None else EndedBy.PERSON
    if request.status == RequestStatus.EXPIRED:
        return EndedBy.LIFETIME
    replaced = [leg for leg in legs if leg.is_replaced]
    if replaced:
        lost = any(leg.replaced_by is None or leg.replaced_by["lost"] for leg in replaced)
        return EndedBy.NEWER_REQUEST if lost else EndedBy.WIDER_REQUEST
    unasked = [leg for leg in legs if leg.is_over and leg.wanted == Wanted.ACTIVE]
    if not unasked:
        return EndedBy.PORTAL
    if not request.auto_renew and all(_outlived(leg) for leg in unasked):
        return EndedBy.LIFETIME
    return EndedBy.PROVIDER


def _outlived(leg: Mitigation) -> bool:
    """Whether it ended with its requested lifetime: the provider's report of the end can precede the portal's clock."""
    began = leg.refreshed_at or leg.confirmed_at
    if began is None or leg.ended_at is None or leg.lifetime_s < 0:
        return False
    return leg.ended_at >= began + timedelta(seconds=leg.lifetime_s) - CLOCKS_APART
