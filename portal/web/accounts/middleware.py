"""Requires the second factor for everything that belongs to a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode

from portal.accounts.models import Authenticator
from portal.accounts.services.sessions import has_fresh_password
from portal.web.accounts import typed

OPEN_PATHS: Final = frozenset({"/sign-in", "/sign-out", "/favicon.ico", "/robots.txt"})
OPEN_PREFIXES: Final = (settings.STATIC_URL, "/api/", "/invitations/")
"""The API has its own sign-in, static files contain nothing private, and an invitation opens only
with the random word of its link.
"""
SECOND_FACTOR_PATHS: Final = frozenset({"/sign-in/code", "/enrol", "/enrol/recovery-codes"})
"""Open after a correct password."""


class RequireSecondFactor:
    """Sends people who have not finished signing in to the missing step."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIXES):
            return self.get_response(request)
        if request.user.is_authenticated and request.user.is_verified():
            return self.get_response(request)
        if not request.user.is_authenticated or not has_fresh_password(request.session):
            if request.method == "POST" and request.path not in SECOND_FACTOR_PATHS:
                return _sign_in_again(request)
            return redirect_to_login(request.get_full_path())
        if request.path in SECOND_FACTOR_PATHS:
            return self.get_response(request)
        enrolled = Authenticator.objects.filter(user=request.user, confirmed=True).exists()
        return redirect("accounts:code" if enrolled else "accounts:enrol")


def _sign_in_again(request: HttpRequest) -> HttpResponse:
    """Does nothing with the form.

    After signing in, the person is back on the page, with the form filled as before or with the
    button to press.
    """
    if page := typed.keep(request):
        return redirect_to_login(page)
    following = typed.referring_page(request) or settings.LOGIN_REDIRECT_URL
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': following, 'undone': '1'})}")
