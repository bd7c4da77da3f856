"""The page on which staff remove an admin of an organization."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from portal.accounts.access import actor_of, person_of
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid
from portal.organizations import admin_removal, suspension
from portal.organizations.queries import organization_for_staff
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.rendering import render_page
from portal.web.staff.page import remove_admin_page


@require_http_methods(["GET", "POST"])
def remove_admin(request: HttpRequest, slug: str, member_id: UUID) -> HttpResponse:
    suspension.MAY_CHANGE.require(person_of(request))
    organization = organization_for_staff(slug)
    membership = admin_removal.admin_for(organization, member_id)
    if request.method == "GET":
        return render_page(request, remove_admin_page(membership))
    require_fresh_factor(request)
    reason = request.POST.get("reason", "")
    try:
        admin_removal.remove_admin(
            organization=organization,
            user_id=member_id,
            actor=actor_of(request),
            reason=reason,
            address=address_of(request),
        )
    except (Conflict, Invalid) as error:
        page = remove_admin_page(membership, reason=reason, error=error.message)
        return render_page(request, page, status=error.http_status)
    name = membership.user.username
    messages.info(request, f"{name} is not a member of {organization.name} any more.")
    return redirect("staff-pages:organization", slug=slug)
