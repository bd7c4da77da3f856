"""Which provider will be asked for which target, shown while the form is filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from portal.core.formatting import listed
from portal.core.targets import Target, TargetError, Targets, both_forms, read
from portal.mitigations.failover import due
from portal.mitigations.models import Strategy
from portal.mitigations.validation import AssignedScope, EligibleProvider, assign_scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """The names of the providers asked immediately, of those asked only if these do not help, and
    what some may not protect.
    """

    at_once: tuple[str, ...]
    later: tuple[str, ...]
    notes: tuple[str, ...]
    is_split: bool = False
    "providers asked immediately get different targets"

    @property
    def providers(self) -> tuple[str, ...]:
        return (*self.at_once, *self.later)


def readable_scopes(
    eligible_providers: Sequence[EligibleProvider], texts: Iterable[str], *, port_ranges: int
) -> dict[UUID, Targets]:
    """The readable targets that each provider may protect."""
    scope = Targets.of(_readable(texts))
    assigned_scopes = (
        assign_scope(provider, scope, port_ranges=port_ranges) for provider in eligible_providers
    )
    return {
        assigned.provider.subscription: assigned.scope
        for assigned in assigned_scopes
        if assigned.is_able
    }


def eligible(
    eligible_providers: Sequence[EligibleProvider],
    texts: Iterable[str],
    *,
    strategy: str,
    port_ranges: int,
) -> Eligible:
    """`eligible_providers`: the chosen ones in order; `texts`: targets as typed or ticked, whether
    they can be read or not.
    """
    scope = Targets.of(_readable(texts))
    assigned_scopes = [
        assign_scope(provider, scope, port_ranges=port_ranges) for provider in eligible_providers
    ]
    if not scope:
        names = tuple(provider.name for provider in eligible_providers)
        first = names if strategy == Strategy.PARALLEL else names[:1]
        return Eligible(at_once=first, later=names[len(first) :], notes=())
    able = {
        assigned.provider.subscription: assigned for assigned in assigned_scopes if assigned.is_able
    }
    first_ids = set(able)
    if strategy != Strategy.PARALLEL:
        first_ids = {
            one.subscription
            for one in due({key: assigned.scope for key, assigned in able.items()}, [])
        }
    return Eligible(
        at_once=_names(able, first_ids),
        later=_names(able, set(able) - first_ids),
        notes=(*_per_target(assigned_scopes, scope), *_left_out(assigned_scopes)),
        is_split=len({able[one].targets for one in first_ids}) > 1,
    )


def _names(able: dict[UUID, AssignedScope], chosen: set[UUID]) -> tuple[str, ...]:
    return tuple(assigned.provider.name for key, assigned in able.items() if key in chosen)


def _readable(texts: Iterable[str]) -> Iterator[Target]:
    for text in texts:
        # Errors of other targets are shown on the field where they were typed.
        with suppress(TargetError):
            yield read(text)


def _per_target(assigned_scopes: Sequence[AssignedScope], scope: Targets) -> list[str]:
    """ "Only Tidewall may protect 2001:db8:10::/48."; a target that no provider may protect is an
    error at its place.
    """
    targets_by_names: dict[tuple[str, ...], list[str]] = {}
    for target in scope.texts:
        if not any(target in assigned.excluded for assigned in assigned_scopes):
            continue
        names = tuple(
            assigned.provider.name
            for assigned in assigned_scopes
            if target not in assigned.excluded
        )
        if names:
            targets_by_names.setdefault(names, []).append(both_forms(target))
    return [
        f"Only {listed(names)} may protect {listed(targets)}."
        for names, targets in targets_by_names.items()
    ]


def _left_out(assigned_scopes: Sequence[AssignedScope]) -> list[str]:
    return [
        f"{assigned.problem}. The portal does not ask it."
        for assigned in assigned_scopes
        if assigned.problem
    ]
