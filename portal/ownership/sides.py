"""One side of an overlap, as portal staff compare them. Never shown to an organization: it names
the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone

from portal.core.formatting import moment
from portal.core.targets import shown
from portal.organizations.models import ProtectedResource
from portal.ownership.models import ResourceProof
from portal.ownership.queries import claim_as_read, proofs_of
from portal.ownership.states import ProofMethod

MAX_PROOFS_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Side:
    """A claim and its evidence."""

    title: str
    lines: Mapping[str, str]


def side_of(resource: ProtectedResource) -> Side:
    claim = claim_as_read(resource)
    lines = {
        "Resource": f"{shown(resource.value)}\n{shown(resource.name)}",
        "State": claim.state.value.replace("_", " "),
        "Verified": _verified(resource, claim.method),
        "Staff’s reason": resource.verification_reason or "–",
        "Checks": _checks(list(proofs_of(resource)[:MAX_PROOFS_SHOWN])),
        "Last used": _when(resource.last_used_at),
        "Refused before": shown(claim.refusal_reason) or "–",
    }
    return Side(str(resource.organization), lines)


def _verified(resource: ProtectedResource, method: str) -> str:
    if resource.verified_at is None:
        return "no"
    by = resource.verified_by.username if resource.verified_by else method or "an earlier release"
    return f"{_when(resource.verified_at)}\nby {by}"


def _checks(proofs: list[ResourceProof]) -> str:
    shown_proofs = [
        f"{one.method}: {(one.result or 'running').replace('_', ' ')}, {_when(one.asked_at)}"
        f"{', DNSSEC valid' if one.is_signed else ''}"
        for one in proofs
        if one.method != ProofMethod.STAFF
    ]
    return "\n".join(shown_proofs) or "none"


def _when(at: datetime | None) -> str:
    return moment(at, timezone.now(), seconds=False, zone=True) or "never"
