"""Accepting an invitation: a new person chooses a name and a password and then sets up the second
factor; a person who is signed in joins with one button.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.accounts import services
from portal.accounts.models import User
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, PortalError
from portal.organizations import invitations
from portal.organizations.models import Invitation, Membership
from portal.organizations.people_mails import ROLES
from portal.sso.required import must_use_single_sign_on
from portal.web.invitations.page import Invited, invitation_page
from portal.web.rendering import render_page


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    address, user = address_of(request), signed_in(request)
    found = invitations.invitation_of(token, address=address)
    if request.method == "GET":
        return _page(request, found, user)
    if user is not None:
        membership = invitations.accept(token=token, user=user, address=address)
        return HttpResponseRedirect(_next_page(membership))
    username = request.POST.get("username", "")
    try:
        membership = invitations.accept_as_new(
            token=token,
            username=username,
            password=request.POST.get("password", ""),
            address=address,
        )
    except (Conflict, Invalid) as error:
        return _page(request, found, user, username=username, error=error)
    if must_use_single_sign_on(membership.user):
        return HttpResponseRedirect(reverse("single-sign-on:choose"))
    return begin_enrolment(request, membership.user, _next_page(membership))


def begin_enrolment(request: HttpRequest, user: User, following: str) -> HttpResponse:
    """A new person sets up the second factor, and then sees the page `following`."""
    services.open_session(request, _with_backend(user))
    return HttpResponseRedirect(f"{reverse('accounts:enrol')}?{urlencode({'next': following})}")


def _page(
    request: HttpRequest,
    found: Invitation,
    user: User | None,
    *,
    username: str | None = None,
    error: PortalError | None = None,
) -> HttpResponse:
    by = found.invited_by
    invited = Invited(
        email=found.email,
        by="The portal’s operator" if found.is_by_staff or by is None else by.username,
        role=ROLES[found.role],
        to=found.organization.name,
    )
    return render_invited(request, invited, user, username=username, error=error)


def render_invited(
    request: HttpRequest,
    invited: Invited,
    user: User | None,
    *,
    username: str | None = None,
    error: PortalError | None = None,
) -> HttpResponse:
    errors = {one.field: one.message for one in error.errors} if error else {}
    page = invitation_page(
        invited,
        action=request.path,
        user=user,
        sign_in=f"{settings.LOGIN_URL}?{urlencode({'next': request.path})}",
        username=username,
        errors=errors if errors or error is None else {"form": error.message},
    )
    return render_page(request, page, status=error.http_status if error else 200)


def signed_in(request: HttpRequest) -> User | None:
    user = request.user
    return user if isinstance(user, User) and user.is_verified() else None


def _with_backend(user: User) -> User:
    """Django asks which of its backends checked the password. This one will at the next sign-in."""
    user.backend = settings.AUTHENTICATION_BACKENDS[0]
    return user


def _next_page(membership: Membership) -> str:
    return reverse("settings:start", args=[membership.organization.slug])
