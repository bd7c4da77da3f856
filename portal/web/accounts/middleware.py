"""Requires the second factor for everything that belongs to a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode

from portal.accounts.enrolled import has_factor
from portal.accounts.models import User
from portal.accounts.services.browsers import note_use
from portal.accounts.services.sessions import has_fresh_password, must_choose_password
from portal.accounts.time_zones import time_zone_of
from portal.organizations.acting import may_act
from portal.web.accounts import typed

OPEN_PATHS: Final = frozenset(
    {
        "/sign-in",
        "/sign-in/organization",
        "/sign-in/passkey",
        "/sign-out",
        "/forgot-password",
        "/favicon.ico",
        "/robots.txt",
    }
)
NOT_PAGES: Final = (settings.STATIC_URL, "/api/")
OPEN_PREFIXES: Final = (
    *NOT_PAGES,
    "/invitations/",
    "/staff-invitations/",
    "/new-password/",
    "/notices/stop/",
    "/sign-in/organization/",
)
"""The API has its own sign-in, static files contain nothing private, invitations and new passwords
open only with the random word of a link, the stop of notices with a signed one, and an identity
provider's answer only with the state of the session.
"""
PARTS: Final = "refresh"
"""How the ids of the elements begin that load parts of an open page again."""
SECOND_FACTOR_PATHS: Final = frozenset(
    {"/sign-in/code", "/sign-in/code/passkey", "/enrol", "/enrol/passkey", "/enrol/recovery-codes"}
)
"""Open after a correct password."""

PASSWORD_PATHS: Final = frozenset({"/me/password", "/confirm", "/signed-in"})
"""Open to a person who has to choose a password first."""


class NotesUse:
    """Notes that a browser that is signed in is used, for pages and the API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not _is_by_script(request) and user.is_authenticated and user.is_verified():
            note_use(request, user)
        return self.get_response(request)


def _is_by_script(request: HttpRequest) -> bool:
    """Whether a script of an open page sent this (static/js/parts.js, live.js): a page that no one
    looks at must not keep its session open.
    """
    trigger = request.headers.get("HX-Trigger", "")
    return trigger.startswith(PARTS) or request.method == "HEAD"


class InOwnTimeZone:
    """Pages of a person who is signed in have times in the person's zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if request.path.startswith(NOT_PAGES) or not (
            isinstance(user, User) and user.is_verified() and user.time_zone
        ):
            return self.get_response(request)
        with time_zone_of(user):
            return self.get_response(request)


class RequireSecondFactor:
    """Sends people who have not finished signing in to the missing step."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(NOT_PAGES):
            note_acting(request)
        if request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIXES):
            return self.get_response(request)
        if request.user.is_authenticated and request.user.is_verified():
            if must_choose_password(request.session) and request.path not in PASSWORD_PATHS:
                return redirect("me:password")
            return self.get_response(request)
        if not request.user.is_authenticated or not has_fresh_password(request.session):
            if request.method == "POST" and request.path not in SECOND_FACTOR_PATHS:
                return _sign_in_again(request)
            return redirect_to_login(request.get_full_path())
        if request.path in SECOND_FACTOR_PATHS:
            return self.get_response(request)
        return redirect("accounts:code" if has_factor(request.user) else "accounts:enrol")


def note_acting(request: HttpRequest) -> None:
    """The organization that the session acts for, of staff who passed the second factor. Every page
    says so.
    """
    user = request.user
    if isinstance(user, User) and user.is_staff and user.is_verified():
        user.may_act = may_act(user, request.session)


def _sign_in_again(request: HttpRequest) -> HttpResponse:
    """Does nothing with the form.

    After signing in, the person is back on the page, with the form filled as before or with the
    button to press.
    """
    if page := typed.keep(request):
        return redirect_to_login(page)
    following = typed.referring_page(request) or settings.LOGIN_REDIRECT_URL
    return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': following, 'undone': '1'})}")
