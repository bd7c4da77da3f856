"""The steps of signing in: name and password, then the code.

At the first sign-in, people set up the second factor.
"""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import services
from portal.accounts.access import person_of
from portal.accounts.enrolled import has_app, has_factor
from portal.accounts.models import User
from portal.accounts.services.known_devices import KNOWN_FOR, known_device
from portal.accounts.services.sessions import (
    enrolment_key,
    keep_enrolment_key,
    note_known_device,
)
from portal.accounts.user_agents import device_words
from portal.core import views as core_views
from portal.core.addresses import address_of
from portal.core.errors import (
    Conflict,
    Invalid,
    InvalidCredentials,
    OtherSignInRequired,
    PortalError,
    SecretUnreadable,
    Throttled,
)
from portal.core.redirects import local_path
from portal.web.accounts import forms, pages, typed
from portal.web.accounts.step_up import SIGN_IN, require_fresh_factor, require_fresh_sign_in
from portal.web.rendering import render_page


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    following = following_of(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    if request.method == "GET":
        page = pages.PasswordPage(following=following, said=typed.said_at_sign_in(request))
        return render_page(request, page)
    form = forms.Password.typed(request.POST)
    try:
        user = services.check_password(
            username=form.username,
            password=form.password,
            address=address_of(request),
            device_secret=device_secret(request),
        )
    except (InvalidCredentials, OtherSignInRequired, Throttled) as error:
        page = pages.PasswordPage(
            following=following,
            said=typed.said_at_sign_in(request),
            username=form.username,
            error=error.message,
        )
        return refused(request, page, error)
    services.open_session(request, user)
    if typed.belongs_to_another(request):
        following = settings.LOGIN_REDIRECT_URL
    return HttpResponseRedirect(with_following("accounts:code", following))


@never_cache
@sensitive_post_parameters("code", "recovery_code")
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    following = following_of(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    user = person_of(request)
    if not has_factor(user):
        return HttpResponseRedirect(with_following("accounts:enrol", following))
    page = code_page(request, user, following)
    if request.method == "GET":
        return render_page(request, page)
    form = forms.SecondFactorForm.typed(request.POST)
    try:
        device = services.check_second_factor(
            user=user,
            code=form.code,
            address=address_of(request),
            device_secret=device_secret(request),
        )
        response = HttpResponseRedirect(following)
        remember_browser(request, response, user)
    except (InvalidCredentials, SecretUnreadable, Throttled) as error:
        with_error = pages.with_code_error(page, error, is_recovery=form.is_recovery)
        return refused(request, with_error, error)
    services.complete_session(request, device)
    return response


def code_page(request: HttpRequest, user: User, following: str) -> pages.CodePage:
    """With the challenge for a passkey, if the person has one."""
    return pages.CodePage(
        following=following,
        username=user.get_username(),
        has_app=has_app(user),
        passkey=services.begin_check(request, user) if services.has_passkey(user) else "",
    )


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def enrol(request: HttpRequest) -> HttpResponse:
    """The key belongs to this session.

    Only the response to the correct code shows the recovery codes.
    """
    following = following_of(request)
    if request.user.is_authenticated and request.user.is_verified():
        return HttpResponseRedirect(following)
    user = person_of(request)
    if has_factor(user):
        return HttpResponseRedirect(with_following("accounts:code", following))
    key = enrolment_key(request.session)
    if request.method == "GET" or key is None:
        return render_page(request, enrol_page(request, user, following))
    try:
        device, codes = services.confirm_enrolment(
            user=user,
            key=key,
            code=forms.SecondFactorForm.typed(request.POST).code,
            address=address_of(request),
        )
    except (Invalid, Throttled) as error:
        page = replace(enrol_page(request, user, following), error=error.message)
        return refused(request, page, error)
    except Conflict:
        # Another session of this person was faster.
        return HttpResponseRedirect(with_following("accounts:code", following))
    response = render_page(request, pages.recovery_codes_page(user, codes, following))
    remember_browser(request, response, user)
    services.complete_session(request, device)
    return response


def enrol_page(request: HttpRequest, user: User, following: str) -> pages.EnrolmentPage:
    """With the key of an app, and the challenge for a passkey."""
    page = pages.enrolment_page(_enrolment(request, user), following)
    return replace(page, passkey=services.begin_passkey(request, user))


def _enrolment(request: HttpRequest, user: User) -> services.Enrolment:
    """With this session's key, or a new one if there is none yet."""
    key = enrolment_key(request.session)
    if key is not None:
        return services.Enrolment(username=user.get_username(), key=key)
    enrolment = services.begin_enrolment(user=user)
    keep_enrolment_key(request.session, enrolment.key)
    return enrolment


@never_cache
@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """The next step after the page with the codes, which are never shown again."""
    return HttpResponseRedirect(following_of(request))


@never_cache
@require_http_methods(["HEAD", "POST"])
def signed_in(request: HttpRequest) -> HttpResponse:
    """Nothing, to a script of an open page that asks whether its session continues. If it is over,
    the middleware answers instead: with the sign-in page, and for a form it saves what was typed.
    """
    return HttpResponse(status=204)


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    services.sign_out(request)
    response = redirect("accounts:sign-in")
    # Not "cookies": that would clear the cookies of every host of the domain, and the session is
    # already deleted.
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


@never_cache
@sensitive_post_parameters("step_up_code", "step_up_password")
@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    """What another page asked for first (step_up.ask_first), which then opens."""
    if request.POST.get(SIGN_IN):
        require_fresh_sign_in(request)
    else:
        require_fresh_factor(request)
    return HttpResponseRedirect(following_of(request))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was loaded before the last sign-in opens again unchanged; nothing was done with
    it.
    """
    page = typed.keep(request) if request.user.is_authenticated else ""
    return redirect(page) if page else core_views.csrf_failure(request, reason)


def device_secret(request: HttpRequest) -> str:
    """From the last sign-in on this browser; empty if there is none."""
    return request.COOKIES.get(settings.KNOWN_DEVICE_COOKIE, "")


def remember_browser(
    request: HttpRequest, response: HttpResponse, user: User, *, is_sign_in: bool = True
) -> None:
    """Keep the secret by which the next sign-in recognizes this browser."""
    whence = services.SignedInFrom(
        device_words(request.headers.get("User-Agent", "")), address_of(request)
    )
    secret = services.remember(
        user=user, secret=device_secret(request), whence=whence if is_sign_in else None
    )
    if device := known_device(secret=secret, username=user.username):
        note_known_device(request.session, device)
    response.set_cookie(
        settings.KNOWN_DEVICE_COOKIE,
        secret,
        max_age=KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def following_of(request: HttpRequest) -> str:
    """Where to go afterwards: a page of this site, or the home page."""
    wished = request.POST.get("next") or request.GET.get("next") or ""
    return local_path(wished, default=settings.LOGIN_REDIRECT_URL)


def with_following(name: str, following: str) -> str:
    if following == settings.LOGIN_REDIRECT_URL:
        return reverse(name)
    return f"{reverse(name)}?{urlencode({'next': following})}"


def refused(request: HttpRequest, page: pages.SignInStep, error: PortalError) -> HttpResponse:
    """The page with the error, and the status of the error."""
    response = render_page(request, page, status=error.http_status)
    if error.retry_after_s:
        response["Retry-After"] = str(error.retry_after_s)
    return response
