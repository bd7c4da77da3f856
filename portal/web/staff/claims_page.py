"""What staff read before they verify a resource or refuse it: the list of those that wait, and one
with both sides of each overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.urls import reverse
from django.utils.http import urlencode

from portal.accounts.wording import name_of
from portal.core.numbers import whole_number
from portal.core.targets import both_forms, shown
from portal.organizations.models import ProtectedResource, ResourceKind
from portal.ownership.models import ResourceProof
from portal.ownership.queries import waiting_for_staff
from portal.ownership.sides import Comparison, Side, comparison
from portal.ownership.states import ProofMethod, ProofResult
from portal.web.rendering import Page
from portal.wording import Badge, routes
from portal.wording.claims import BADGES, KINDS, METHODS, RESULTS, WAITS, waiting_sentence
from portal.wording.from_rows.claims import shown_result

PAGE_ROWS: Final = 50
MAX_PAGE: Final = 99_999


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingClaim:
    """One resource of the list."""

    url: str
    name: str
    value: str
    kind: str
    organization: str
    since: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimsPage(Page):
    """One page of the list, the one that has waited longest first."""

    template: ClassVar = "staff/claims.html"

    rows: Sequence[WaitingClaim]
    headline: str
    newer: str
    older: str
    now: datetime
    newer_word: str = "Back"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProof:
    """One check of a DNS record or a file."""

    method: str
    result: str
    at: datetime
    findings: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSide:
    """One side of an overlap."""

    organization: str
    url: str
    name: str
    value: str
    badge: Badge
    verified_at: datetime | None
    verified_by: str
    "staff, or the kind of proof"
    staff_reason: str
    refused_at: datetime | None
    refusal: str
    proofs: Sequence[ShownProof]
    routes: Sequence[str]
    waits_since: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedDecision:
    """What was typed into a form that was refused, and why."""

    verify: str = ""
    verify_error: str = ""
    refuse: str = ""
    refuse_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPage(Page):
    """One resource with its overlaps, and the forms of the decision."""

    template: ClassVar = "staff/claim.html"

    resource_id: str
    kind: str
    why: str
    is_verified: bool
    problem: str
    own: ShownSide
    others: Sequence[ShownSide]
    more: int
    overlaps_seen: str
    routes_age: str
    typed: TypedDecision


def claims_page(query: Mapping[str, str], now: datetime) -> ClaimsPage:
    number = whole_number(query.get("page", ""), at_most=MAX_PAGE) or 1
    start = (number - 1) * PAGE_ROWS
    waiting = waiting_for_staff()
    total = waiting.count()
    return ClaimsPage(
        rows=[_row(one) for one in waiting[start : start + PAGE_ROWS]],
        headline=waiting_sentence(total),
        newer=urlencode({"page": number - 1}) if number > 1 else "",
        older=urlencode({"page": number + 1}) if start + PAGE_ROWS < total else "",
        now=now,
    )


def _row(resource: ProtectedResource) -> WaitingClaim:
    claim = resource.ownership_claim
    return WaitingClaim(
        url=reverse("staff-pages:claim", args=[resource.pk]),
        name=shown(resource.name),
        value=both_forms(resource.value),
        kind=KINDS[ResourceKind(resource.kind)],
        organization=resource.organization.name,
        since=claim.waits_since,
        why=WAITS.get(claim.waits_because, ""),
    )


def claim_page(
    resource: ProtectedResource, now: datetime, typed: TypedDecision = TypedDecision()
) -> ClaimPage:
    compared: Comparison = comparison(resource, now)
    return ClaimPage(
        resource_id=str(resource.pk),
        kind=KINDS[ResourceKind(resource.kind)],
        why=WAITS.get(compared.own.claim.waits_because, ""),
        is_verified=resource.is_verified,
        problem=compared.problem,
        own=_side(compared.own),
        others=[_side(one) for one in compared.others],
        more=compared.more,
        overlaps_seen=compared.overlaps_seen,
        routes_age=routes.age(compared.origins) if compared.origins else "",
        typed=typed,
    )


def _side(side: Side) -> ShownSide:
    resource, claim = side.resource, side.claim
    return ShownSide(
        organization=resource.organization.name,
        url=reverse("staff-pages:organization", args=[resource.organization.slug]),
        name=shown(resource.name),
        value=both_forms(resource.value),
        badge=BADGES[claim.state],
        verified_at=resource.verified_at,
        verified_by=name_of(resource.verified_by) or _method(claim.method),
        staff_reason=shown(resource.verification_reason),
        refused_at=claim.refused_at,
        refusal=shown(claim.refusal_reason),
        proofs=[_proof(one) for one in side.proofs],
        routes=_routes(side),
        waits_since=claim.waits_since,
        last_used_at=resource.last_used_at,
    )


def _method(method: str) -> str:
    return METHODS[method] if method else "an earlier release"


def _proof(proof: ResourceProof) -> ShownProof:
    signed = ""
    if proof.result == ProofResult.FOUND and proof.method == ProofMethod.DNS:
        signed = " The answer was validated by DNSSEC." if proof.is_signed else " Without DNSSEC."
    return ShownProof(
        method=METHODS[proof.method],
        result=f"{shown_result(proof)}{signed}",
        at=proof.asked_at,
        findings=[
            f"{one.place}, {one.server}: {RESULTS[one.result].partition('.')[0].lower()}"
            f"{f' ({one.detail})' if one.detail else ''}"
            for one in proof.findings
        ],
    )


def _routes(side: Side) -> list[str]:
    if side.vrps is None:
        return []
    if not side.vrps:
        return ["No ROA covers it, so most networks accept any origin."]
    return [routes.roa(one.prefix, one.max_length, one.asn) for one in side.vrps]
