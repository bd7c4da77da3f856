"""Both sides of a claim that portal staff decide: the organization that asks, and those whose
verified resources overlap. Never shown to an organization: it names the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.core.targets import IPNetwork, Targets
from portal.organizations import claims, services
from portal.organizations import queries as organizations
from portal.organizations.models import ProtectedResource
from portal.ownership.models import ResourceClaim, ResourceProof
from portal.ownership.queries import claim_as_read, proofs_of
from portal.ownership.states import ProofMethod
from portal.rpki.origins import Origins, origins_of
from portal.rpki.validity import Vrp

MAX_OVERLAPS_SHOWN: Final = 20
MAX_PROOFS_SHOWN: Final = 3
MAX_PAYLOADS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One organization's claim, and its evidence."""

    resource: ProtectedResource
    claim: ResourceClaim
    proofs: Sequence[ResourceProof]
    "the newest checks of a DNS record or a file"
    vrps: Sequence[Vrp] | None
    "who may announce its addresses; None: not known, or it has no addresses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What portal staff need in order to decide."""

    own: Side
    others: Sequence[Side]
    "verified resources of other organizations that overlap, by organization and name"
    more: int
    "overlaps beside `others`"
    overlaps_seen: str
    "identifies all overlaps; a decision names it"
    problem: str
    "why it cannot be verified at all; empty: it can"
    origins: Origins | None
    "None: no validator is configured, or there are no addresses"


def comparison(resource: ProtectedResource, now: datetime) -> Comparison:
    found = organizations.overlapping(resource)
    others = found[:MAX_OVERLAPS_SHOWN]
    networks = [network for one in (resource, *others) for network in _networks(one)]
    origins = origins_of(networks, now) if networks else None
    return Comparison(
        own=_side(resource, origins),
        others=[_side(one, origins) for one in others],
        more=len(found) - len(others),
        overlaps_seen=services.fingerprint(found),
        problem=resource.problem or claims.why_too_broad(resource.target),
        origins=origins,
    )


def _side(resource: ProtectedResource, origins: Origins | None) -> Side:
    proofs = proofs_of(resource).exclude(method=ProofMethod.STAFF.value)
    return Side(
        resource=resource,
        claim=claim_as_read(resource),
        proofs=list(proofs[:MAX_PROOFS_SHOWN]),
        vrps=_vrps(resource, origins),
    )


def _vrps(resource: ProtectedResource, origins: Origins | None) -> list[Vrp] | None:
    if origins is None:
        return None
    known = [found for one in _networks(resource) if (found := origins.vrps(one)) is not None]
    return [one for found in known for one in found][:MAX_PAYLOADS_SHOWN] if known else None


def _networks(resource: ProtectedResource) -> Sequence[IPNetwork]:
    return Targets.of([resource.target]).prefixes
