"""Another email address: ask for it, and confirm it with the link of the mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import services
from portal.accounts.access import person_of
from portal.core.addresses import address_of
from portal.core.errors import Conflict, Invalid, Throttled, Unavailable
from portal.core.origins import origin_of
from portal.web.accounts.step_up import require_fresh_sign_in
from portal.web.me.navigation import MePage
from portal.web.me.profile_page import profile_page
from portal.web.rendering import render_page


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmEmailPage(MePage):
    """The page that the link of the mail opens."""

    template: ClassVar = "me/confirm_email.html"
    tab: ClassVar = "profile"

    email: str
    action: str
    error: str = ""


@require_POST
def ask(request: HttpRequest) -> HttpResponse:
    person, typed = person_of(request), request.POST.get("email", "")
    require_fresh_sign_in(request)
    try:
        email = services.ask_for_email(user=person, email=typed, origin=origin_of(request))
    except (Invalid, Throttled, Unavailable) as error:
        page = profile_page(person, email=typed, errors={"email": error.message})
        return render_page(request, page, status=error.http_status)
    messages.info(
        request,
        f"A mail to {email} is on its way. Its link works once, within an hour. "
        "Until then, nothing changes.",
    )
    return redirect("me:profile")


@never_cache
@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    person, address = person_of(request), address_of(request)
    link = services.email_link(token=token, user=person, address=address)
    if request.method == "GET":
        return _page(request, link.email)
    try:
        services.confirm_email(token=token, user=person, address=address)
    except Conflict as error:
        return _page(request, link.email, error)
    messages.info(request, f"Your address is now {link.email}.")
    return redirect("me:profile")


def _page(request: HttpRequest, email: str, error: Conflict | None = None) -> HttpResponse:
    page = ConfirmEmailPage(
        person=person_of(request),
        email=email,
        action=request.path,
        error=error.message if error else "",
    )
    return render_page(request, page, status=error.http_status if error else 200)
