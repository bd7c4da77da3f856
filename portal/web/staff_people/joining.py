"""Accepting an invitation to the staff."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.accounts.models import User
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, PortalError
from portal.staff import invitations
from portal.staff.mails import ROLES
from portal.staff.models import StaffInvitation, StaffRole
from portal.web.invitations.page import Invited
from portal.web.invitations.views import begin_enrolment, render_invited, signed_in


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    address, user = address_of(request), signed_in(request)
    found = invitations.invitation_of(token, address=address)
    if request.method == "GET":
        return _page(request, found, user)
    following = reverse("now:home")
    if user is not None:
        invitations.accept(token=token, user=user, address=address)
        return HttpResponseRedirect(following)
    username = request.POST.get("username", "")
    try:
        joined = invitations.accept_as_new(
            token=token,
            username=username,
            password=request.POST.get("password", ""),
            address=address,
        )
    except (Conflict, Invalid) as error:
        return _page(request, found, user, username=username, error=error)
    return begin_enrolment(request, joined, following)


def _page(
    request: HttpRequest,
    found: StaffInvitation,
    user: User | None,
    *,
    username: str | None = None,
    error: PortalError | None = None,
) -> HttpResponse:
    invited = Invited(
        email=found.email,
        by=found.invited_by.username if found.invited_by else "The portal’s operator",
        role=ROLES[StaffRole(found.role)],
        to="the portal’s staff",
    )
    return render_invited(request, invited, user, username=username, error=error)
