"""The pages of the portal's staff."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of, person_of
from portal.core.errors import Conflict, Invalid, NotFound, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.organizations import founding
from portal.organizations.models import Organization
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.staff.page import new_organization_page, organization_page, organizations_page


@require_safe
def organizations(request: HttpRequest) -> HttpResponse:
    founding.require_staff(person_of(request))
    return render_page(request, organizations_page())


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    founding.require_staff(person_of(request))
    if request.method == "GET":
        return render_page(request, new_organization_page())
    require_fresh_factor(request)
    name = request.POST.get("name", "")
    admin_email, preset = request.POST.get("admin_email", ""), request.POST.get("preset", "")
    try:
        organization, invitation = founding.found(
            actor=actor_of(request),
            name=name,
            admin_email=admin_email,
            preset=preset,
            origin=origin_of(request),
        )
    except (Conflict, Invalid, Throttled, Unavailable) as error:
        errors = {one.field: one.message for one in error.errors} or {"form": error.message}
        page = new_organization_page(
            name=name, admin_email=admin_email, preset=preset, errors=errors
        )
        return render_page(request, page, status=error.http_status)
    messages.info(request, f"A mail to {invitation.email} is on its way.")
    return redirect("staff-pages:organization", slug=organization.slug)


@require_http_methods(["GET", "POST"])
def organization(request: HttpRequest, slug: str) -> HttpResponse:
    founding.require_staff(person_of(request))
    found = _organization(slug)
    if request.method == "GET":
        return render_page(request, organization_page(found, timezone.now()))
    require_fresh_factor(request)
    email = request.POST.get("email", "")
    try:
        invitation = founding.invite_admin(
            organization=found, actor=actor_of(request), email=email, origin=origin_of(request)
        )
    except (Conflict, Invalid, Throttled, Unavailable) as error:
        words = error.errors[0].message if error.errors else error.message
        page = organization_page(found, timezone.now(), email=email, error=words)
        return render_page(request, page, status=error.http_status)
    messages.info(request, f"A mail to {invitation.email} is on its way.")
    return redirect("staff-pages:organization", slug=slug)


@require_POST
def revoke(request: HttpRequest, slug: str, invitation_id: UUID) -> HttpResponse:
    founding.require_staff(person_of(request))
    found = _organization(slug)
    require_fresh_factor(request)
    founding.revoke(organization=found, invitation_id=invitation_id, actor=actor_of(request))
    messages.info(request, "The invitation is revoked. Its link does not work any more.")
    return redirect("staff-pages:organization", slug=slug)


def _organization(slug: str) -> Organization:
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise NotFound
    return found
