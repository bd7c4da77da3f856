"""Changing the password."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.accounts import services
from portal.accounts.access import person_of
from portal.accounts.services.sessions import carry_over, must_choose_password
from portal.core.addresses import address_of
from portal.core.errors import Invalid, PortalError, Throttled
from portal.web.accounts.step_up import ask_first
from portal.web.accounts.views import device_secret, remember_browser
from portal.web.me.password_page import password_page
from portal.web.rendering import render_page


@never_cache
@sensitive_post_parameters("current_password", "new_password")
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    person = person_of(request)
    if question := ask_first(request):
        return question
    must_choose = must_choose_password(request.session)
    if request.method == "GET":
        return render_page(request, password_page(person, must_choose=must_choose))
    try:
        changed = services.change_password(
            user=person,
            current=request.POST.get("current_password", ""),
            new=request.POST.get("new_password", ""),
            address=address_of(request),
            device_secret=device_secret(request),
        )
    except Invalid as error:
        errors = {one.field: one.message for one in error.errors}
        return _again(request, errors, error)
    except Throttled as error:
        response = _again(request, {"current_password": error.message}, error)
        response["Retry-After"] = str(error.retry_after_s)
        return response
    carry_over(request, changed)
    messages.info(
        request,
        "Your password is changed. Every other browser is signed out, and your API tokens ended.",
    )
    response = redirect("now:home" if must_choose else "me:password")
    remember_browser(request, response, changed, is_sign_in=False)
    return response


def _again(request: HttpRequest, errors: dict[str, str], error: PortalError) -> HttpResponse:
    must_choose = must_choose_password(request.session)
    page = password_page(person_of(request), errors, must_choose=must_choose)
    return render_page(request, page, status=error.http_status)
