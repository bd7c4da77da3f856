"""A forgotten password: ask for a link, and choose a new password with it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.accounts import services
from portal.accounts.models import LinkPurpose
from portal.accounts.services.mailed_links import link_of
from portal.core.addresses import address_of
from portal.core.errors import Invalid, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.web.accounts.forgotten_page import ForgotPasswordPage, NewPasswordPage
from portal.web.rendering import render_page


@never_cache
@require_http_methods(["GET", "POST"])
def forgot(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return render_page(request, ForgotPasswordPage())
    typed = request.POST.get("typed", "").strip()
    if not typed:
        page = ForgotPasswordPage(error="Type your name or your email address.")
        return render_page(request, page, status=Invalid.http_status)
    try:
        services.ask_for_password(
            typed=typed, address=address_of(request), origin=origin_of(request)
        )
    except (Throttled, Unavailable) as error:
        page = ForgotPasswordPage(typed=typed, error=error.message)
        response = render_page(request, page, status=error.http_status)
        if error.retry_after_s:
            response["Retry-After"] = str(error.retry_after_s)
        return response
    return render_page(request, ForgotPasswordPage(is_sent=True))


@never_cache
@sensitive_post_parameters("new_password")
@require_http_methods(["GET", "POST"])
def new_password(request: HttpRequest, token: str) -> HttpResponse:
    address = address_of(request)
    link = link_of(token, LinkPurpose.PASSWORD, address=address)
    page = NewPasswordPage(username=link.user.username, action=request.path)
    if request.method == "GET":
        return render_page(request, page)
    try:
        services.choose_password(
            token=token, new=request.POST.get("new_password", ""), address=address
        )
    except Invalid as error:
        errors = {one.field: one.message for one in error.errors}
        wrong = NewPasswordPage(username=page.username, action=page.action, errors=errors)
        return render_page(request, wrong, status=error.http_status)
    return HttpResponseRedirect(f"{reverse('accounts:sign-in')}?changed=1")
