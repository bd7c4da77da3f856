"""Which live requests and unknown mitigations a new request would replace, and what they would
lose. Pure functions of rows.

A provider keeps only the newer of two overlapping mitigations of one client (RFC 9132 section
4.4.1). An overlapping immediate request also ends filtering for a plan that the provider activated
on its own: the provider holds the plan in standby again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.targets import PortRange, Targets, overlap
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    Newer,
    ReplacedBy,
    Strategy,
)
from portal.mitigations.overlaps import Coverage, Loss, losses
from portal.mitigations.states import ACTIVE
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import Checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A request about to be sent, by provider."""

    scopes: Mapping[UUID, Targets]
    "the targets for each provider that the portal asks, now or if others fail"
    ports: Sequence[PortRange] = ()
    protocols: Sequence[int] = ()
    strategy: str = Strategy.FAILOVER

    @classmethod
    def of(cls, checked: Checked) -> Proposal:
        return cls(
            scopes=checked.scopes,
            ports=checked.ports,
            protocols=checked.protocols,
            strategy=checked.strategy,
        )

    def coverage(self, subscription: UUID) -> Coverage:
        return Coverage.of(self.scopes[subscription], self.ports, self.protocols)

    @property
    def whole(self) -> Coverage:
        return Coverage.of(Targets.union(self.scopes.values()), self.ports, self.protocols)


@dataclass(frozen=True, slots=True)
class EndedMitigation:
    """A mitigation that a new request would end."""

    mitigation: Mitigation | Unknown
    losses: tuple[Loss, ...]
    "what its provider would no longer protect"

    @property
    def provider(self) -> str:
        return self.mitigation.subscription.provider.short_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A live request that a new one would end at some of its providers, or an unknown mitigation
    that it would end.
    """

    what: MitigationRequest | Unknown
    endings: tuple[EndedMitigation, ...]
    protects_all: bool = False
    """it already covers all of the new request: the same or more targets and traffic, at the same
    providers
    """

    @property
    def id(self) -> UUID:
        """The id that names it in `replaces`."""
        return self.what.id

    @property
    def name(self) -> str:
        if isinstance(self.what, Unknown):
            return (
                f"what {self.what.provider} holds for {self.what.name}, which no "
                f"request here asked for"
            )
        return self.what.name

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(dict.fromkeys(loss for one in self.endings for loss in one.losses))

    @property
    def is_filtering(self) -> bool:
        return any(one.mitigation.status in ACTIVE for one in self.endings)


def coverage_of(mitigation: Mitigation | Unknown) -> Coverage:
    if isinstance(mitigation, Unknown):
        return mitigation.coverage
    request = mitigation.request
    return Coverage.of(mitigation.scope, request.ports, request.protocols)


def would_replace(proposal: Proposal, live: Iterable[Mitigation | Unknown]) -> list[Replaced]:
    """What would be replaced, oldest first.

    `live`: what the providers hold, or will hold, beside the new request.
    """
    whole: dict[UUID, MitigationRequest | Unknown] = {}
    held: dict[UUID, list[Mitigation | Unknown]] = defaultdict(list)
    for one in live:
        what = one if isinstance(one, Unknown) else one.request
        whole[what.id] = what
        held[what.id].append(one)
    found: list[Replaced] = []
    for what_id, mitigations in held.items():
        endings = tuple(
            EndedMitigation(one, losses(coverage_of(one), [proposal.coverage(one.subscription_id)]))
            for one in mitigations
            if _ends(one, proposal)
        )
        if endings:
            found.append(
                Replaced(
                    what=whole[what_id],
                    endings=endings,
                    protects_all=_protects_all(proposal, whole[what_id], mitigations),
                )
            )
    return sorted(found, key=lambda one: (_since(one.what), one.id))


def without_consent(
    request: MitigationRequest,
    subscription: UUID,
    scope: Targets,
    live: Iterable[Mitigation | Unknown],
) -> list[Replaced]:
    """What would lose protection if this provider were asked for `request` without consent.

    Failover skips such a provider (ADR 25).
    """
    proposal = Proposal(
        scopes={subscription: scope}, ports=request.ports, protocols=request.protocols
    )
    others = (one for one in live if isinstance(one, Unknown) or one.request_id != request.pk)
    found = would_replace(proposal, others)
    return [one for one in found if one.losses and one.id not in request.replaces]


def _since(what: MitigationRequest | Unknown) -> datetime:
    return what.found_at if isinstance(what, Unknown) else what.created_at


def _ends(mitigation: Mitigation | Unknown, proposal: Proposal) -> bool:
    if mitigation.subscription_id not in proposal.scopes:
        return False
    return coverage_of(mitigation).shares_target_with(proposal.coverage(mitigation.subscription_id))


def _protects_all(
    proposal: Proposal,
    what: MitigationRequest | Unknown,
    mitigations: Sequence[Mitigation | Unknown],
) -> bool:
    by_provider = {one.subscription_id: coverage_of(one) for one in mitigations}
    if proposal.strategy == Strategy.PARALLEL:
        return all(
            one in by_provider and not losses(proposal.coverage(one), [by_provider[one]])
            for one in proposal.scopes
        )
    subscriptions = {what.subscription_id} if isinstance(what, Unknown) else set(what.subscriptions)
    return subscriptions.issuperset(proposal.scopes) and not losses(
        proposal.whole, list(by_provider.values())
    )


def replacement(old: Mitigation, newer: Sequence[Mitigation]) -> ReplacedBy:
    """The record of how `old` ended: the requests that the provider holds instead, and the targets
    that lost protection.
    """
    own = coverage_of(old)
    others = [(one, coverage_of(one)) for one in newer]
    lost = losses(own, [coverage for _, coverage in others])
    return ReplacedBy(
        by=tuple(_newer(one, coverage, own) for one, coverage in others),
        lost=tuple(str(loss.target) for loss in lost),
        loses=tuple(map(str, lost)),
    )


def _newer(one: Mitigation, coverage: Coverage, own: Coverage) -> Newer:
    is_narrower = not coverage.traffic.covers(own.traffic)
    return Newer(
        request=one.request_id,
        name=one.request.name,
        targets=(
            *(
                str(network)
                for network in coverage.networks
                if any(overlap(network, mine) for mine in own.networks)
            ),
            *sorted(coverage.names & own.names),
        ),
        ports=one.request.ports if is_narrower else (),
        protocols=one.request.protocols if is_narrower else (),
    )
