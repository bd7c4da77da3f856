"""The pages of the portal's staff."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts.access import actor_of, person_of
from portal.core.errors import Conflict, Invalid, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.organizations import acting, founding, suspension
from portal.organizations.queries import organization_for_staff
from portal.ownership import services as ownership
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.staff.page import TypedReason, new_organization_page, organization_page
from portal.web.staff.portal_page import portal_page


@require_safe
def organizations(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    founding.MAY_ADD.require(person)
    decides = ownership.MAY_VERIFY.is_held_by(person)
    return render_page(request, portal_page(request.GET.dict(), timezone.now(), decides=decides))


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    founding.MAY_ADD.require(person_of(request))
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
    founding.MAY_ADD.require(person_of(request))
    found = organization_for_staff(slug)
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
    founding.MAY_ADD.require(person_of(request))
    found = organization_for_staff(slug)
    require_fresh_factor(request)
    founding.revoke(organization=found, invitation_id=invitation_id, actor=actor_of(request))
    messages.info(request, "The invitation is revoked. Its link does not work any more.")
    return redirect("staff-pages:organization", slug=slug)


@require_POST
def act(request: HttpRequest, slug: str) -> HttpResponse:
    """Act for the organization: its first page."""
    person = person_of(request)
    acting.MAY_ACT.require(person)
    found = organization_for_staff(slug)
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        acting.begin(slug=slug, user=person, credential=request.session, reason=reason)
    except (Conflict, Invalid) as error:
        words = error.errors[0].message if error.errors else error.message
        typed = TypedReason(act=reason, act_error=words)
        page = organization_page(found, timezone.now(), typed=typed)
        return render_page(request, page, status=error.http_status)
    return redirect("now:now", slug=slug)


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    """Stop acting for an organization; nothing happens if the time is over."""
    person = person_of(request)
    if person.may_act is not None:
        acting.stop(person.may_act)
        messages.info(request, f"You no longer act for {person.may_act.organization}.")
    return redirect("now:home")


@require_POST
def suspend(request: HttpRequest, slug: str) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    found = organization_for_staff(slug)
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        suspension.suspend(slug=slug, actor=actor_of(request), reason=reason)
    except (Conflict, Invalid) as error:
        words = error.errors[0].message if error.errors else error.message
        page = organization_page(
            found, timezone.now(), typed=TypedReason(suspend=reason, suspend_error=words)
        )
        return render_page(request, page, status=error.http_status)
    messages.info(request, f"{found.name} is suspended. Its live requests continue.")
    return redirect("staff-pages:organization", slug=slug)


@require_POST
def lift(request: HttpRequest, slug: str) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    found = organization_for_staff(slug)
    require_fresh_factor(request)
    try:
        suspension.lift(slug=slug, actor=actor_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
    else:
        messages.info(request, f"{found.name} can request mitigation again.")
    return redirect("staff-pages:organization", slug=slug)
