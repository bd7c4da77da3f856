"""Which live requests and unknown mitigations a new request would replace, what they would lose, and how to ask for both: pure functions of rows.

A provider keeps only the newer of two overlapping mitigations of one client (RFC 9132 section 4.4.1). An overlapping
request for help now also ends a plan that the provider activated by itself: the provider goes back to holding it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from portal.core.errors import Conflict, FieldError, Invalid
from portal.core.targets import overlap
from portal.mitigations.models import (
    Mitigation,
    MitigationRequest,
    Newer,
    Port,
    ReplacedBy,
    Strategy,
    Targets,
)
from portal.mitigations.overlaps import Coverage, Loss, Traffic, losses, union
from portal.mitigations.states import ACTIVE
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import INDEFINITE, Checked, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A request that is about to be sent, by provider."""

    scopes: Mapping[UUID, Targets]
    "the targets for each provider that the portal asks, now or when others fail"
    ports: Sequence[Port] = ()
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
        return Coverage.of(union(self.scopes.values()), self.ports, self.protocols)


@dataclass(frozen=True, slots=True)
class Ending:
    """A mitigation that a new request would end."""

    mitigation: Mitigation | Unknown
    losses: tuple[Loss, ...]
    "what its provider would no longer protect"

    @property
    def provider(self) -> str:
        return self.mitigation.subscription.provider.short_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A live request that a new one would end at some of its providers, or an unknown mitigation that it would end."""

    what: MitigationRequest | Unknown
    endings: tuple[Ending, ...]
    protects_all: bool = False
    "it asks for all of the new request already: the same or more targets and traffic, of the same providers"

    @property
    def id(self) -> UUID:
        """The id to name it by in `replaces`."""
        return self.what.id

    @property
    def name(self) -> str:
        if isinstance(self.what, Unknown):
            return f"what {self.what.provider} holds for {self.what.name}, which no request here asked for"
        return self.what.name

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(dict.fromkeys(loss for one in self.endings for loss in one.losses))

    @property
    def is_filtering(self) -> bool:
        return any(one.mitigation.status in ACTIVE for one in self.endings)


class WouldReplace(Conflict):
    """The request would replace live requests without consent."""

    code = "would-replace"
    title = "A live request would be replaced"

    def __init__(self, replaced: Sequence[Replaced]) -> None:
        names = ", ".join(dict.fromkeys(one.name for one in replaced))
        super().__init__(
            f"Nothing was sent. A provider holds only the newer of two requests for the same addresses: "
            f"this would replace {names}."
        )
        self.replaced = tuple(replaced)

    @property
    def members(self) -> Mapping[str, Any]:
        return {"replaces": [replaced_members(one) for one in self.replaced]}


def replaced_members(replaced: Replaced) -> dict[str, Any]:
    """What would be replaced, as the API shows it."""
    is_unknown = isinstance(replaced.what, Unknown)
    return {
        "request": None if is_unknown else str(replaced.id),
        "unknown_mitigation": str(replaced.id) if is_unknown else None,
        "name": replaced.what.name,
        "status": replaced.what.status,
        "providers": [one.provider for one in replaced.endings],
        "loses": [str(loss) for loss in replaced.losses],
        "protects_all": replaced.protects_all,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The live requests and unknown mitigations that a new request may replace."""

    named: tuple[UUID, ...] = ()
    is_exact: bool = False
    "each named request must be live and would be replaced; a page may name some that ended meanwhile"
    wider_is_free: bool = False
    "a request of which the new one asks for everything, and for more, need not be named"
    is_joint: bool = False
    "one request is made that asks for everything of those that it would replace"
    unknown_is_free: bool = False
    "an unknown mitigation of which the new request asks for everything need not be named"

    def check(self, found: Sequence[Replaced]) -> None:
        """Raises Invalid for named requests that would not be replaced, WouldReplace with `found` if one is not named."""
        if self.is_exact:
            _refuse_strangers(self.named, [one.id for one in found])
        if not all(self._allows(one) for one in found):
            raise WouldReplace(found)

    def _allows(self, one: Replaced) -> bool:
        if self.is_joint:
            return not one.losses
        is_free = self.wider_is_free and not (one.losses or one.protects_all)
        if self.unknown_is_free and isinstance(one.what, Unknown):
            is_free = not one.losses
        return is_free or one.id in self.named


NO_CONSENT: Final = Consent()
FOREVER: Final = datetime.max.replace(tzinfo=UTC)


def _refuse_strangers(named: Sequence[UUID], known: Collection[UUID]) -> None:
    # One answer for what has ended, what does not overlap and what belongs to somebody else.
    message = "This is neither a live request nor an unknown mitigation that would be replaced. Leave it out."
    errors = [
        FieldError(f"replaces.{index}", "not-replaced", message)
        for index, request in enumerate(named)
        if request not in known
    ]
    if errors:
        things = "one thing" if len(errors) == 1 else f"{len(errors)} things"
        raise Invalid(f"Nothing was sent. Correct {things}.", errors=errors)


def coverage_of(mitigation: Mitigation | Unknown) -> Coverage:
    if isinstance(mitigation, Unknown):
        return mitigation.coverage
    request = mitigation.request
    return Coverage.of(mitigation.scope, request.ports, request.protocols)


def would_replace(proposal: Proposal, live: Iterable[Mitigation | Unknown]) -> list[Replaced]:
    """What would be replaced, oldest first. `live`: what the providers hold, or will hold, beside the new request."""
    whole: dict[UUID, MitigationRequest | Unknown] = {}
    held: dict[UUID, list[Mitigation | Unknown]] = defaultdict(list)
    for one in live:
        what = one if isinstance(one, Unknown) else one.request
        whole[what.id] = what
        held[what.id].append(one)
    found: list[Replaced] = []
    for what_id, mitigations in held.items():
        endings = tuple(
            Ending(one, losses(coverage_of(one), [proposal.coverage(one.subscription_id)]))
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


def is_redundant(
    older: MitigationRequest,
    still_filtering: Sequence[Mitigation],
    newer: MitigationRequest,
    filtering: Sequence[Mitigation],
) -> bool:
    """Whether ending `older` takes no protection away, now or later.

    `newer` asks for all of it, and filters all that it still gets at least as long as it would get it. What `older` asks for and gets from nobody
    is asked again, for a whole lifetime from then: it is needless only beside a request that has no end.

    `still_filtering`: the mitigations of `older` that may filter. `filtering`: those of `newer` that do. A request to all providers at once is
    compared provider by provider.
    """
    if not filtering or losses(_asked_for(older), [_asked_for(newer)]):
        return False
    if older.strategy == Strategy.PARALLEL and newer.strategy != Strategy.PARALLEL:
        return False
    is_endless = all(_known_end(one) == FOREVER for one in filtering)
    if not is_endless and losses(
        _asked_for(older), [coverage_of(mitigation) for mitigation in still_filtering]
    ):
        return False
    return all(
        not losses(
            coverage_of(mitigation),
            [
                coverage_of(one)
                for one in filtering
                if (
                    older.strategy == Strategy.FAILOVER
                    or one.subscription_id == mitigation.subscription_id
                )
                and _lasts_as_long(one, mitigation)
            ],
        )
        for mitigation in still_filtering
    )


def _lasts_as_long(newer: Mitigation, older: Mitigation) -> bool:
    until = _known_end(newer)
    return until is not None and until >= (_known_end(older) or FOREVER)


def _known_end(mitigation: Mitigation) -> datetime | None:
    """When it ends unless a person acts; FOREVER if it renews itself or has no end; None while nobody knows."""
    if mitigation.request.auto_renew:
        return FOREVER
    if mitigation.is_extended:
        return None
    if mitigation.expires_at is None and mitigation.confirmed_at is not None:
        return FOREVER if mitigation.lifetime_s == INDEFINITE else None
    return mitigation.expires_at


def _asked_for(request: MitigationRequest) -> Coverage:
    return Coverage.of(request.scope, request.ports, request.protocols)


def without_consent(
    request: MitigationRequest,
    subscription: UUID,
    scope: Targets,
    live: Iterable[Mitigation | Unknown],
) -> list[Replaced]:
    """What would lose protection if this provider were asked for `request`, without consent to replace it.

    The order of the providers leaves such a provider out (ADR 25).
    """
    proposal = Proposal(
        scopes={subscription: scope}, ports=request.ports, protocols=request.protocols
    )
    others = (one for one in live if isinstance(one, Unknown) or one.request_id != request.pk)
    found = would_replace(proposal, others)
    return [one for one in found if one.losses and str(one.id) not in request.replaces]


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
    subscriptions = (
        {what.subscription_id}
        if isinstance(what, Unknown)
        else {UUID(one) for one in what.subscriptions}
    )
    return subscriptions.issuperset(proposal.scopes) and not losses(
        proposal.whole, list(by_provider.values())
    )


def replacement(old: Mitigation, newer: Sequence[Mitigation]) -> ReplacedBy:
    """The record of how `old` ended: the requests that the provider holds instead, and what lost protection."""
    own = coverage_of(old)
    others = [(one, coverage_of(one)) for one in newer]
    lost = losses(own, [coverage for _, coverage in others])
    return {
        "by": [_newer(one, coverage, own) for one, coverage in others],
        "lost": [loss.target for loss in lost],
        "loses": [str(loss) for loss in lost],
    }


def _newer(one: Mitigation, coverage: Coverage, own: Coverage) -> Newer:
    is_narrower = not coverage.traffic.covers(own.traffic)
    return {
        "request": str(one.request_id),
        "name": one.request.name,
        "targets": [
            *(
                str(network)
                for network in coverage.networks
                if any(overlap(network, mine) for mine in own.networks)
            ),
            *sorted(coverage.names & own.names),
        ],
        "ports": one.request.ports if is_narrower else [],
        "protocols": one.request.protocols if is_narrower else [],
    }


def normal(submission: Submission, checked: Checked) -> Submission:
    """`submission` with its targets as the check read them."""
    return replace(
        submission,
        prefixes=tuple(checked.asked["prefixes"]),
        fqdns=tuple(checked.asked["fqdns"]),
        uris=tuple(checked.asked["uris"]),
        resources=checked.resources,
        ports=_pairs(checked.ports),
        protocols=tuple(checked.protocols),
        lifetime_s=checked.lifetime_s,
    )


def again(
    request: MitigationRequest, *, resources: Collection[UUID], subscriptions: Collection[UUID] = ()
) -> Submission:
    """A new submission for what `request` asked for. `resources` and `subscriptions`: those that can be chosen now."""
    ticked = [one for one in request.resources.all() if one.pk in resources]
    values = {one.value for one in ticked}
    scope = request.scope
    named = [UUID(one) for one in request.subscriptions]
    return Submission(
        prefixes=tuple(one for one in scope["prefixes"] if one not in values),
        fqdns=tuple(one for one in scope["fqdns"] if one not in values),
        uris=tuple(one for one in scope["uris"] if one not in values),
        resources=tuple(one.pk for one in ticked),
        ports=_pairs(request.ports),
        protocols=tuple(request.protocols),
        lifetime_s=request.lifetime_s,
        auto_renew=request.auto_renew,
        strategy=request.strategy,
        subscriptions=tuple(one for one in named if one in subscriptions),
        reason=request.reason,
    )


def again_unknown(unknown: Unknown, *, subscriptions: Collection[UUID]) -> Submission:
    """The part of an unknown mitigation that a request can ask for. `subscriptions`: those that can be chosen now."""
    scope = unknown.scope
    return Submission(
        prefixes=tuple(scope["prefixes"]),
        fqdns=tuple(scope["fqdns"]),
        uris=tuple(scope["uris"]),
        ports=_pairs(unknown.ports),
        protocols=tuple(unknown.protocols),
        subscriptions=tuple({unknown.subscription_id}.intersection(subscriptions)),
    )


def joined(first: Submission, *others: Submission) -> Submission:
    """One submission for everything that all of them ask for; each must have a lifetime.

    It never asks for less than one of them: it asks all providers at once if one does, takes the longest lifetime, and
    renews itself if one does.
    """
    every = (first, *others)
    targets = union(
        {"prefixes": list(one.prefixes), "fqdns": list(one.fqdns), "uris": list(one.uris)}
        for one in every
    )
    traffic = Traffic.of(first.ports, first.protocols)
    for one in others:
        traffic |= Traffic.of(one.ports, one.protocols)
    lifetimes = [one.lifetime_s for one in every if one.lifetime_s is not None]
    named = [one.subscriptions for one in every]
    is_parallel = any(one.strategy == Strategy.PARALLEL for one in every)
    return Submission(
        prefixes=tuple(targets["prefixes"]),
        fqdns=tuple(targets["fqdns"]),
        uris=tuple(targets["uris"]),
        resources=tuple(dict.fromkeys(resource for one in every for resource in one.resources)),
        ports=traffic.ports,
        protocols=tuple(sorted(traffic.protocols)),
        lifetime_s=INDEFINITE if INDEFINITE in lifetimes else max(lifetimes, default=None),
        auto_renew=any(one.auto_renew for one in every),
        strategy=(Strategy.PARALLEL if is_parallel else Strategy.FAILOVER).value,
        subscriptions=tuple(dict.fromkeys(one for each in named for one in each))
        if all(named)
        else (),
        reason=next((one.reason for one in every if one.reason), ""),
    )


def _pairs(ports: Sequence[Port]) -> tuple[tuple[int, int], ...]:
    return tuple((port["lower"], port["upper"]) for port in ports)
