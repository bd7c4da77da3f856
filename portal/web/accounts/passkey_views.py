"""Signing in with a passkey: instead of the password and the code, or only of the code."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import services
from portal.accounts.access import person_of
from portal.core.errors import Conflict, Invalid, InvalidCredentials, PortalError, Throttled
from portal.web.accounts import pages
from portal.web.accounts.views import (
    code_page,
    enrol_page,
    following_of,
    refused,
    remember_browser,
    with_following,
)
from portal.web.rendering import render_page


@never_cache
@require_http_methods(["GET", "POST"])
def passkey(request: HttpRequest) -> HttpResponse:
    following = following_of(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    if request.method == "GET":
        return render_page(request, _page(request, following))
    answer = request.POST.get("answer", "")
    try:
        person = services.sign_in_with_passkey(request, user=None, answer=answer)
    except (InvalidCredentials, Throttled) as error:
        return refused(request, _page(request, following, _words(error)), error)
    response = HttpResponseRedirect(following)
    remember_browser(request, response, person)
    return response


@never_cache
@require_POST
def second_factor(request: HttpRequest) -> HttpResponse:
    following = following_of(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    person, answer = person_of(request), request.POST.get("answer", "")
    try:
        services.sign_in_with_passkey(request, user=person, answer=answer)
    except (InvalidCredentials, Throttled) as error:
        page = replace(code_page(request, person, following), passkey_error=_words(error))
        return refused(request, page, error)
    response = HttpResponseRedirect(following)
    remember_browser(request, response, person)
    return response


@never_cache
@require_POST
def enrol(request: HttpRequest) -> HttpResponse:
    """The first second factor is a passkey. Only this response shows the recovery codes."""
    following = following_of(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    person, answer = person_of(request), request.POST.get("answer", "")
    try:
        device, codes = services.enrol_with_passkey(request, user=person, answer=answer)
    except (Invalid, Throttled) as error:
        page = replace(enrol_page(request, person, following), passkey_error=error.message)
        return refused(request, page, error)
    except Conflict:
        # Another session of this person was faster.
        return HttpResponseRedirect(with_following("accounts:code", following))
    response = render_page(request, pages.recovery_codes_page(person, codes, following))
    remember_browser(request, response, person)
    services.complete_session(request, device)
    return response


def _page(request: HttpRequest, following: str, error: str = "") -> pages.PasskeyPage:
    options = services.begin_check(request, None)
    return pages.PasskeyPage(following=following, options=options, error=error)


def _words(error: PortalError) -> str:
    return pages.WRONG_PASSKEY if isinstance(error, InvalidCredentials) else error.message
