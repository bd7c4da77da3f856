"""Making and revoking the organization's tokens."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts.access import actor_of
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid
from portal.organizations import service_tokens
from portal.organizations.models import Role
from portal.organizations.request_context import member_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.frame import frame
from portal.web.rendering import render_page
from portal.web.settings.tokens_page import service_tokens_page
from portal.web.token_form import MadeToken, TokenForm


@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest, slug: str) -> HttpResponse:
    """The answer to the form is the only page with the token."""
    membership = member_of(request, slug, Role.ADMIN)
    if request.method == "GET":
        return render_page(request, service_tokens_page(frame(membership, timezone.now())))
    require_fresh_factor(request)
    form = TokenForm.typed(request.POST)
    try:
        token, plain = service_tokens.make(
            organization=membership.organization,
            actor=actor_of(request),
            name=form.name,
            role=_role(form.right),
            days=form.whole_days,
            networks=form.network_list,
            address=address_of(request),
        )
    except (Invalid, Conflict) as error:
        start = frame(membership, timezone.now())
        if isinstance(error, Invalid):
            page = service_tokens_page(start, form=form.with_errors(error))
        else:
            page = service_tokens_page(start, form=form, error=error.message)
        return render_page(request, page, status=error.http_status)
    made = MadeToken(name=token.name, text=plain)
    page = service_tokens_page(frame(membership, timezone.now()), made=made)
    return render_page(request, page)


@require_POST
def revoke_token(request: HttpRequest, slug: str, token_id: UUID) -> HttpResponse:
    membership = member_of(request, slug, Role.ADMIN)
    require_fresh_factor(request)
    service_tokens.revoke(
        organization=membership.organization,
        token_id=token_id,
        actor=actor_of(request),
        address=address_of(request),
    )
    messages.info(request, "The token is revoked. It ended at once.")
    return redirect("settings:tokens", slug=slug)


def _role(typed: str) -> Role:
    try:
        return Role(typed)
    except ValueError:
        message = "Choose one of the roles."
        raise Invalid.at("role", "not-a-choice", message) from None
