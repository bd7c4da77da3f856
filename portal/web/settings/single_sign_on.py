"""Single sign-on of an organization: its settings, for admins."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import actor_of
from portal.core.errors import Conflict, Invalid, NotFound, SecretUnreadable
from portal.organizations.models import Membership, Role
from portal.organizations.request_context import member_of
from portal.sso import protocol, queries, services
from portal.sso.errors import SignInRefused
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.settings.single_sign_on_form import SingleSignOnForm
from portal.web.settings.single_sign_on_page import remove_page, single_sign_on_page
from portal.web.single_sign_on.pages import leave_page
from portal.web.single_sign_on.views import TEST


@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    where = protocol.callback_url(request, membership.organization_id)
    if request.method == "GET":
        start = frame(membership, timezone.now())
        return render_page(request, single_sign_on_page(start, where))
    require_fresh_factor(request)
    form = SingleSignOnForm.typed(request.POST)
    try:
        services.configure(
            organization=membership.organization, setup=form.setup(), actor=actor_of(request)
        )
    except Invalid as error:
        start = frame(membership, timezone.now())
        page = single_sign_on_page(start, where, form=form, errors=error.errors)
        return render_page(request, page, status=error.http_status)
    messages.info(request, "Saved. Everyone who came by single sign-on has to sign in again.")
    return redirect("settings:single-sign-on", slug=slug)


@require_POST
def test(request: HttpRequest, slug: str) -> HttpResponse:
    """Through the whole sign-in, without its effects."""
    membership = _admin(request, slug)
    sso = queries.for_organization(membership.organization_id)
    if sso is None:
        raise NotFound("Single sign-on is not set up.")
    back = reverse("settings:single-sign-on", args=[slug])
    try:
        url = protocol.authorization_url(
            request, sso, purpose=TEST, following=back, asks_again=True
        )
    except (SignInRefused, SecretUnreadable) as error:
        detail = f" ({error.detail})" if isinstance(error, SignInRefused) and error.detail else ""
        messages.warning(request, f"{error.message}{detail}")
        return redirect(back)
    return render_page(request, leave_page(sso, url))


@require_POST
def check(request: HttpRequest, slug: str, domain_id: UUID) -> HttpResponse:
    membership = _admin(request, slug)
    domain = services.ask_check(
        organization=membership.organization, domain_id=domain_id, actor=actor_of(request)
    )
    messages.info(request, f"The portal is looking for the record of {domain.name}.")
    return redirect("settings:single-sign-on", slug=slug)


@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, slug: str) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    if request.method == "GET":
        return render_page(request, remove_page(frame(membership, timezone.now())))
    require_fresh_factor(request)
    try:
        services.remove(organization=membership.organization, actor=actor_of(request))
    except Conflict as error:
        messages.warning(request, error.message)
    else:
        messages.info(request, "Single sign-on is removed. Members sign in with their passwords.")
    return redirect("settings:single-sign-on", slug=slug)


def _admin(request: HttpRequest, slug: str) -> Membership:
    membership = member_of(request, slug, Role.ADMIN)
    require_fresh_factor(request)
    return membership
