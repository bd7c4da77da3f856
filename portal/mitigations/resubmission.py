"""Make new submissions from requests and unknown mitigations: pure functions of rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from portal.mitigations.models import (
    MitigationRequest,
    Port,
    Strategy,
)
from portal.mitigations.overlaps import Traffic, union
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import INDEFINITE, Checked, Submission


def normalized(submission: Submission, checked: Checked) -> Submission:
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


def resubmission(
    request: MitigationRequest, *, resources: Collection[UUID], subscriptions: Collection[UUID] = ()
) -> Submission:
    """A new submission for what `request` asked for.

    `resources` and `subscriptions`: those that can be chosen now.
    """
    ticked = [one for one in request.resources.all() if one.pk in resources]
    values = {one.value for one in ticked}
    scope = request.scope
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
        subscriptions=tuple(one for one in request.subscriptions if one in subscriptions),
        reason=request.reason,
    )


def resubmission_of_unknown(unknown: Unknown, *, subscriptions: Collection[UUID]) -> Submission:
    """The part of an unknown mitigation that a request can ask for.

    `subscriptions`: those that can be chosen now.
    """
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

    It never asks for less than one of them: it asks all providers at once if one does, takes the
    longest lifetime, and renews automatically if one does.
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
