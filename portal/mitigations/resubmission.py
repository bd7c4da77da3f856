"""Make new submissions from requests and unknown mitigations: pure functions of rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from portal.core.targets import Targets
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.overlaps import Traffic
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import INDEFINITE, Checked, Submission


def normalized(submission: Submission, checked: Checked) -> Submission:
    """`submission` with its targets as the check read them."""
    return replace(
        submission,
        prefixes=tuple(map(str, checked.asked.prefixes)),
        fqdns=checked.asked.fqdns,
        uris=checked.asked.uris,
        resources=checked.resources,
        ports=checked.ports,
        protocols=checked.protocols,
        lifetime_s=checked.lifetime_s,
    )


def resubmission(
    request: MitigationRequest, *, resources: Collection[UUID], subscriptions: Collection[UUID] = ()
) -> Submission:
    """A new submission for the targets and options of `request`.

    `resources` and `subscriptions`: those that can be chosen now.
    """
    ticked = [one for one in request.resources.all() if one.pk in resources]
    typed = request.scope.without({str(one.target) for one in ticked})
    return Submission(
        prefixes=tuple(map(str, typed.prefixes)),
        fqdns=typed.fqdns,
        uris=typed.uris,
        resources=tuple(one.pk for one in ticked),
        ports=request.ports,
        protocols=request.protocols,
        lifetime_s=request.lifetime_s,
        auto_renew=request.auto_renew,
        strategy=request.strategy,
        subscriptions=tuple(one for one in request.subscriptions if one in subscriptions),
        reason=request.reason,
    )


def resubmission_of_unknown(unknown: Unknown, *, subscriptions: Collection[UUID]) -> Submission:
    """The part of an unknown mitigation that a request can ask for.

    `subscriptions`: those that can be chosen now.
    """
    scope = unknown.scope
    return Submission(
        prefixes=tuple(map(str, scope.prefixes)),
        fqdns=scope.fqdns,
        uris=scope.uris,
        ports=unknown.ports,
        protocols=unknown.protocols,
        subscriptions=tuple({unknown.subscription_id}.intersection(subscriptions)),
    )


def joined(first: Submission, *others: Submission) -> Submission:
    """One submission that covers all of them.

    Each has a lifetime, and its targets in normal form.

    It never asks for less than one of them: it asks all providers in parallel if one does, takes
    the longest lifetime, and renews automatically if one does.
    """
    every = (first, *others)
    targets = Targets.union(
        Targets.saved(prefixes=one.prefixes, fqdns=one.fqdns, uris=one.uris) for one in every
    )
    traffic = Traffic.of(first.ports, first.protocols)
    for one in others:
        traffic |= Traffic.of(one.ports, one.protocols)
    lifetimes = [one.lifetime_s for one in every if one.lifetime_s is not None]
    named = [one.subscriptions for one in every]
    is_parallel = any(one.strategy == Strategy.PARALLEL for one in every)
    return Submission(
        prefixes=tuple(map(str, targets.prefixes)),
        fqdns=targets.fqdns,
        uris=targets.uris,
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
