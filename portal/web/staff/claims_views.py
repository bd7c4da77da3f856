"""The staff's pages on which they verify resources, or refuse them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from portal.accounts.access import person_of
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, PortalError
from portal.core.targets import shown
from portal.ownership import services
from portal.ownership.queries import resource_for_staff
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.staff.claims_page import TypedDecision, claim_page, claims_page


@require_safe
def claims(request: HttpRequest) -> HttpResponse:
    services.MAY_VERIFY.require(person_of(request))
    return render_page(request, claims_page(request.GET.dict(), timezone.now()))


@require_safe
def claim(request: HttpRequest, resource_id: UUID) -> HttpResponse:
    services.MAY_VERIFY.require(person_of(request))
    return render_page(request, claim_page(resource_for_staff(resource_id), timezone.now()))


@require_POST
def verify(request: HttpRequest, resource_id: UUID) -> HttpResponse:
    services.MAY_VERIFY.require(person_of(request))
    found = resource_for_staff(resource_id)
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        services.verify_by_staff(
            resource=found,
            actor=person_of(request),
            address=address_of(request),
            reason=reason,
            overlaps_seen=request.POST.get("overlaps_seen", ""),
        )
    except (Conflict, Invalid) as error:
        typed = TypedDecision(verify=reason, verify_error=_words(error))
        page = claim_page(found, timezone.now(), typed)
        return render_page(request, page, status=error.http_status)
    messages.info(
        request,
        f"{found.organization.name} may now request protection for {shown(found.value)}.",
    )
    return redirect("staff-pages:claims")


@require_POST
def refuse(request: HttpRequest, resource_id: UUID) -> HttpResponse:
    services.MAY_VERIFY.require(person_of(request))
    found = resource_for_staff(resource_id)
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        services.refuse_by_staff(
            resource=found, actor=person_of(request), address=address_of(request), reason=reason
        )
    except (Conflict, Invalid) as error:
        typed = TypedDecision(refuse=reason, refuse_error=_words(error))
        page = claim_page(resource_for_staff(resource_id), timezone.now(), typed)
        return render_page(request, page, status=error.http_status)
    messages.info(
        request,
        f"{found.organization.name} reads that {shown(found.name)} was refused, and why.",
    )
    return redirect("staff-pages:claims")


def _words(error: PortalError) -> str:
    return error.errors[0].message if error.errors else error.message
