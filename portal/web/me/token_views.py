"""Making and revoking one's own tokens."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import services
from portal.accounts.access import person_of
from portal.accounts.scopes import Scope
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, NotFound
from portal.sso.queries import factor_of
from portal.web.accounts.step_up import require_fresh_factor
from portal.web.me.tokens_page import tokens_page
from portal.web.rendering import render_page
from portal.web.token_form import MadeToken, TokenForm


@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The answer to the form is the only page with the token."""
    person = person_of(request)
    by_sso = factor_of(person) is not None
    if request.method == "GET":
        return render_page(request, tokens_page(person, by_sso=by_sso))
    require_fresh_factor(request)
    form = TokenForm.typed(request.POST)
    try:
        token, plain = services.make_token(
            user=person,
            name=form.name,
            scope=_scope(form.right),
            days=form.whole_days,
            networks=form.network_list,
            address=address_of(request),
            is_federated=by_sso,
        )
    except Invalid as error:
        page = tokens_page(person, by_sso=by_sso, form=form.with_errors(error))
        return render_page(request, page, status=error.http_status)
    except Conflict as error:
        page = tokens_page(person, by_sso=by_sso, form=form, error=error.message)
        return render_page(request, page, status=error.http_status)
    made = MadeToken(name=token.device_name, text=plain)
    return render_page(request, tokens_page(person, by_sso=by_sso, made=made))


@require_POST
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    own = services.named_tokens(person_of(request)).filter(device_id=token_id)
    token = own.select_related("user").first()
    if token is None:
        raise NotFound
    services.revoke_token(token=token, address=address_of(request))
    messages.info(request, f"The token “{token.device_name}” is revoked. It ended at once.")
    return redirect("me:tokens")


def _scope(typed: str) -> Scope:
    try:
        return Scope(typed)
    except ValueError:
        message = "Choose one of the scopes."
        raise Invalid.at("scope", "not-a-choice", message) from None
