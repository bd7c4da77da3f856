"""The second factors of the person who is signed in."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal.accounts import services
from portal.accounts.access import person_of
from portal.accounts.models import User
from portal.accounts.services.sessions import (
    enrolment_key,
    forget_enrolment_key,
    keep_enrolment_key,
    stay_verified,
)
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, Throttled
from portal.web.accounts.step_up import ask_first, require_fresh_factor, require_fresh_sign_in
from portal.web.me.factors_page import (
    AddPasskeyPage,
    Renaming,
    add_app_page,
    factors_page,
    new_codes_page,
)
from portal.web.rendering import render_page


@require_safe
def factors(request: HttpRequest) -> HttpResponse:
    return render_page(request, factors_page(person_of(request)))


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def add_app(request: HttpRequest) -> HttpResponse:
    """The key stays in the session until the first code, as at the enrolment."""
    person = person_of(request)
    if question := ask_first(request, is_sign_in=True):
        return question
    key = enrolment_key(request.session)
    if request.method == "GET" or key is None:
        enrolment = services.new_key(user=person)
        keep_enrolment_key(request.session, enrolment.key)
        return render_page(request, add_app_page(person, enrolment))
    name = request.POST.get("name", "")
    try:
        device = services.add_authenticator(
            user=person,
            key=key,
            code=request.POST.get("code", ""),
            name=name,
            address=address_of(request),
        )
    except (Conflict, Invalid, Throttled) as error:
        errors = {one.field: one.message for one in error.errors} or {"code": error.message}
        enrolment = services.Enrolment(username=person.username, key=key)
        page = add_app_page(person, enrolment, name=name, errors=errors)
        return render_page(request, page, status=error.http_status)
    forget_enrolment_key(request.session)
    messages.info(request, f"{device.name} is a second factor of yours now.")
    return redirect("me:factors")


@never_cache
@require_http_methods(["GET", "POST"])
def add_passkey(request: HttpRequest) -> HttpResponse:
    """The browser makes the passkey, and the form sends what it answers."""
    person = person_of(request)
    if question := ask_first(request, is_sign_in=True):
        return question
    if request.method == "GET":
        return _passkey_page(request, person)
    name, answer = request.POST.get("name", ""), request.POST.get("answer", "")
    try:
        device = services.add_passkey(request, user=person, name=name, answer=answer)
    except Invalid as error:
        return _passkey_page(request, person, name, error)
    messages.info(request, f"{device.name} is a second factor of yours now.")
    return redirect("me:factors")


def _passkey_page(
    request: HttpRequest, person: User, name: str = "", error: Invalid | None = None
) -> HttpResponse:
    page = AddPasskeyPage(
        person=person,
        options=services.begin_passkey(request, person),
        name=name,
        errors={one.field: one.message for one in error.errors} if error else {},
    )
    return render_page(request, page, status=error.http_status if error else 200)


@require_POST
def rename(request: HttpRequest, kind: str, factor_id: int) -> HttpResponse:
    person, name = person_of(request), request.POST.get("name", "")
    require_fresh_factor(request)
    try:
        services.rename_factor(user=person, kind=kind, factor_id=factor_id, name=name)
    except Invalid as error:
        wrong = Renaming(kind=kind, factor_id=factor_id, name=name, error=error.message)
        return render_page(request, factors_page(person, wrong), status=error.http_status)
    messages.info(request, "The name is saved.")
    return redirect("me:factors")


@require_POST
def remove(request: HttpRequest, kind: str, factor_id: int) -> HttpResponse:
    person = person_of(request)
    require_fresh_sign_in(request)
    services.remove_factor(user=person, kind=kind, factor_id=factor_id)
    stay_verified(request, person)
    messages.info(request, "The second factor is removed.")
    return redirect("me:factors")


@never_cache
@require_POST
def renew_codes(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    require_fresh_sign_in(request)
    codes = services.renew_recovery_codes(user=person)
    stay_verified(request, person)
    return render_page(request, new_codes_page(person, codes))
