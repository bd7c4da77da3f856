"""The contents of the pages: all resources with their states, and one with its proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.urls import reverse

from portal.core.formatting import plural
from portal.core.targets import Targets, both_forms
from portal.mitigations import queries as mitigations
from portal.organizations.acting import name_at
from portal.organizations.models import ProtectedResource, ResourceKind, Role
from portal.ownership import services
from portal.ownership.models import ResourceClaim, ResourceProof
from portal.ownership.places import PATH, places_of, value_of
from portal.ownership.queries import proofs_of, resources_with_claims
from portal.ownership.states import ClaimState, ProofMethod, ProofResult
from portal.ownership.uses import Uses, uses_of
from portal.providers.queries import as_numbers_of
from portal.rpki.origins import Origins, origins_of
from portal.rpki.validity import RouteValidity
from portal.web.frame import Frame
from portal.web.resources.resource_form import ResourceForm
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.removal import RemovalPage
from portal.wording import Badge, routes
from portal.wording.claims import BADGES, KINDS, METHODS, RESULTS, why
from portal.wording.from_rows.claims import claim_facts, shown_result

MAX_PAYLOADS_SHOWN: Final = 10
USABLE: Final = (ClaimState.VERIFIED, ClaimState.PROOF_MISSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRow:
    """One resource of the list."""

    resource: ProtectedResource
    kind: str
    value: str
    badge: Badge
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesPage(SettingsPage):
    """The list, and the form of a new one."""

    template: ClassVar = "resources/resources.html"
    tab: ClassVar = "resources"

    headline: str
    rows: Sequence[ResourceRow]
    form: ResourceForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One proof that was looked for."""

    proof: ResourceProof
    method: str
    by: str
    result: str
    findings: Sequence[str]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePage(SettingsPage):
    """One resource: its state, where to publish a proof, and what was found."""

    template: ClassVar = "resources/resource.html"
    tab: ClassVar = "resources"
    parts: ClassVar = {"resource": "resources/_resource.html"}

    resource: ProtectedResource
    value: str
    badge: Badge
    why: str
    is_usable: bool
    is_checking: bool
    is_waiting: bool
    "staff decide about it"
    may_remove: bool
    dns: Sequence[Sequence[str]]
    "alternatives of names"
    http: str
    "the URL of the file; empty for addresses"
    record: str
    checks: Sequence[Check]
    payloads: Sequence[str]
    "who may announce it, by its ROAs, and what providers could not"
    payloads_age: str
    name: str
    "as typed, if it was refused"
    name_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveResourcePage(RemovalPage):
    """The question before a resource is removed, or why it cannot be."""

    tab: ClassVar = "resources"


def resources_page(start: Frame, form: ResourceForm) -> ResourcesPage:
    resources = list(resources_with_claims(start.organization).order_by("name", "pk"))
    running = {
        one.resource_id: one
        for one in ResourceProof.objects.filter(
            resource__organization=start.organization, ended_at__isnull=True
        )
    }
    rows = [_row(claim, running.get(claim.resource_id)) for claim in services.claims_of(resources)]
    return ResourcesPage(
        frame=start,
        title="Resources",
        headline=_headline(rows),
        rows=rows,
        form=form,
    )


def _headline(rows: Sequence[ResourceRow]) -> str:
    verified = sum(1 for one in rows if one.resource.is_verified)
    if not rows:
        return "No resources yet."
    if verified == len(rows):
        return f"{plural(verified, 'resource')}, all verified."
    return f"{verified} of {plural(len(rows), 'resource')} can be used in requests."


def _row(claim: ResourceClaim, running: ResourceProof | None) -> ResourceRow:
    resource = claim.resource
    return ResourceRow(
        resource=resource,
        kind=KINDS[ResourceKind(resource.kind)],
        value=both_forms(resource.value),
        badge=BADGES[claim.state],
        why=why(claim_facts(claim, running)),
    )


def resource_page(
    start: Frame, resource: ProtectedResource, *, name: str = "", name_error: str = ""
) -> ResourcePage:
    claim, places = services.claim_of(resource), places_of(resource.target)
    proofs = list(proofs_of(resource))
    newest = next((one for one in proofs if one.method != ProofMethod.STAFF), None)
    row = _row(claim, newest)
    # Before it is verified, what the portal looked up for another organization would show.
    networks = Targets.of([resource.target]).prefixes if resource.is_verified else ()
    origins = origins_of(networks, start.now) if networks else None
    return ResourcePage(
        frame=start,
        title=resource.name,
        resource=resource,
        value=row.value,
        badge=row.badge,
        why=row.why,
        is_usable=claim.state in USABLE,
        is_checking=newest is not None and not newest.is_over,
        is_waiting=claim.state == ClaimState.WAITING,
        may_remove=start.membership.allows(Role.ADMIN),
        dns=places.dns,
        http=f"https://{places.host}{PATH}" if places.host else "",
        record=value_of(claim.token),
        checks=[_check(one) for one in proofs],
        payloads=_payloads(start, resource, origins) if origins else [],
        payloads_age=routes.age(origins) if origins else "",
        name=name or resource.name,
        name_error=name_error,
    )


def _check(proof: ResourceProof) -> Check:
    note = ""
    if proof.result == ProofResult.FOUND and proof.method == ProofMethod.DNS:
        note = "The answer was validated by DNSSEC." if proof.is_signed else "Without DNSSEC."
    return Check(
        proof=proof,
        method=METHODS[proof.method],
        by=name_at(proof.asked_by, proof.resource.organization_id, proof.asked_at) or "the portal",
        result=shown_result(proof),
        findings=[
            f"{one.server}: {RESULTS[one.result].partition('.')[0].lower()}"
            f"{f' ({one.detail})' if one.detail else ''}"
            for one in proof.findings
        ],
        note=note,
    )


def _payloads(start: Frame, resource: ProtectedResource, origins: Origins) -> list[str]:
    said = []
    networks = Targets.of([resource.target]).prefixes
    numbers = as_numbers_of(start.organization)
    for network in networks:
        vrps = origins.vrps(network)
        if vrps is None:
            continue
        if not vrps:
            said.append("No ROA covers it, so most networks accept any origin.")
        said += [
            routes.roa(one.prefix, one.max_length, one.asn) for one in vrps[:MAX_PAYLOADS_SHOWN]
        ]
        said += [
            routes.could_not(provider.name, check)
            for provider in mitigations.eligible_providers(start.organization)
            if provider.subscription in numbers
            and (check := origins.check(network, numbers[provider.subscription])).validity
            == RouteValidity.INVALID
        ]
    return said


def remove_page(start: Frame, resource: ProtectedResource) -> RemoveResourcePage:
    uses: Uses = uses_of(resource)
    needed_by = services.needed_by(uses)
    name = resource.name
    return RemoveResourcePage(
        frame=start,
        title=f"{name} cannot be removed now" if needed_by else f"Remove {name}?",
        points=[
            f"No one can request protection for {both_forms(resource.value)} any more.",
            "Ended requests stay in the history.",
        ],
        needed_by=needed_by,
        back=reverse("resources:resource", args=[start.organization.slug, resource.pk]),
    )
