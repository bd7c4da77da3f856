"""The steps of signing in: name and password, then the code. The first time, the second factor is set up."""

from __future__ import annotations

from typing import Any, Final

import segno
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.accounts import forms, services, typed
from portal.accounts.models import Authenticator, User
from portal.core import views as core_views
from portal.core.errors import Invalid, InvalidCredentials, PortalError, Throttled

WRONG_CODE: Final = "That code did not match. Wait for the next one and type it here."
QR_MODULE_PX: Final = 5


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    following = _following(request)
    if request.user.is_authenticated and request.user.is_verified():
        return redirect(following)
    if request.method == "GET":
        context = {"following": following, "said": typed.said_at_sign_in(request)}
        return render(request, "accounts/sign_in.html", context)
    form = forms.Password.typed(request.POST)
    try:
        user = services.check_password(
            username=form.username, password=form.password, address=_address(request)
        )
    except (InvalidCredentials, Throttled) as error:
        context = {
            "following": following,
            "username": form.username,
            "error": error.message,
            "said": typed.said_at_sign_in(request),
        }
        return _refused(request, "accounts/sign_in.html", context, error)
    services.open_session(request, user)
    if typed.belongs_to_another(request):
        following = settings.LOGIN_REDIRECT_URL
    return redirect(_with_following("accounts:code", following))


@never_cache
@sensitive_post_parameters("code", "recovery_code")
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    user, following = _half_signed_in(request), _following(request)
    if user is None:
        return redirect(_with_following("accounts:sign-in", following))
    if request.user.is_authenticated and request.user.is_verified():
        return redirect(following)
    if not Authenticator.objects.filter(user=user, confirmed=True).exists():
        return redirect(_with_following("accounts:enrol", following))
    context: dict[str, Any] = {"following": following, "username": user.get_username()}
    if request.method == "GET":
        return render(request, "accounts/code.html", context)
    form = forms.Code.typed(request.POST)
    try:
        device = services.check_second_factor(user=user, code=form.code, address=_address(request))
    except (InvalidCredentials, Throttled) as error:
        said = WRONG_CODE if isinstance(error, InvalidCredentials) else error.message
        if form.is_recovery and isinstance(error, InvalidCredentials):
            said = "That recovery code did not match, or it was used before."
        context |= {"error": said, "is_recovery": form.is_recovery}
        return _refused(request, "accounts/code.html", context, error)
    services.complete_session(request, device)
    return redirect(following)


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def enrol(request: HttpRequest) -> HttpResponse:
    user, following = _half_signed_in(request), _following(request)
    if user is None:
        return redirect(_with_following("accounts:sign-in", following))
    if Authenticator.objects.filter(user=user, confirmed=True).exists():
        return redirect(_with_following("accounts:code", following))
    if request.method == "POST":
        try:
            device, codes = services.confirm_enrolment(
                user=user, code=forms.Code.typed(request.POST).code
            )
        except (Invalid, Throttled) as error:
            context = {**_enrolment(user, following), "error": error.message}
            return _refused(request, "accounts/enrol.html", context, error)
        services.complete_session(request, device)
        forms.keep_codes(request.session, codes)
        return redirect(_with_following("accounts:recovery-codes", following))
    return render(request, "accounts/enrol.html", _enrolment(user, following))


def _enrolment(user: User, following: str) -> dict[str, Any]:
    enrolment = services.begin_enrolment(user=user)
    qr = segno.make(enrolment.otpauth_uri, error="m")
    svg = qr.svg_inline(scale=QR_MODULE_PX, border=0, title="QR code of the key below")
    key = enrolment.base32_key
    return {
        "following": following,
        "username": user.get_username(),
        # segno draws nothing but rectangles from what we give it.
        "qr": mark_safe(svg),  # noqa: S308  see above
        "key": " ".join(key[start : start + 4] for start in range(0, len(key), 4)),
    }


@never_cache
@require_http_methods(["GET", "POST"])
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Shown until the person says they are saved, then never again."""
    codes, following = forms.kept_codes(request.session), _following(request)
    if not codes or _half_signed_in(request) is None:
        return redirect(following)
    if request.method == "POST" and request.POST.get("saved") == "yes":
        forms.forget_codes(request.session)
        return redirect(following)
    if "download" in request.GET:
        return _download(request, codes)
    context = {
        "codes": codes,
        "following": following,
        "username": request.user.get_username(),
        "error": "Tick the box once you have saved them." if request.method == "POST" else "",
    }
    return render(
        request,
        "accounts/recovery_codes.html",
        context,
        status=400 if request.method == "POST" else 200,
    )


def _download(request: HttpRequest, codes: tuple[str, ...]) -> HttpResponse:
    head = f"{settings.PORTAL_NAME}: recovery codes of {request.user.get_username()}"
    text = "\n".join([head, "Each code works once.", "", *codes, ""])
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
    return response


@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    services.sign_out(request)
    return redirect("accounts:sign-in")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form from before the person signed in again opens as it was; nothing of it was done."""
    page = typed.keep(request) if request.user.is_authenticated else ""
    return redirect(page) if page else core_views.csrf_failure(request, reason)


def _half_signed_in(request: HttpRequest) -> User | None:
    """Who gave a right password, whether or not the code followed."""
    return (
        request.user if SESSION_KEY in request.session and isinstance(request.user, User) else None
    )


def _following(request: HttpRequest) -> str:
    """Where to go afterwards: a page of ours, or the first one."""
    wished = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wished, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wished if is_ours else settings.LOGIN_REDIRECT_URL


def _with_following(name: str, following: str) -> str:
    if following == settings.LOGIN_REDIRECT_URL:
        return reverse(name)
    return f"{reverse(name)}?{urlencode({'next': following})}"


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _refused(
    request: HttpRequest, template: str, context: dict[str, Any], error: PortalError
) -> HttpResponse:
    response = render(request, template, context, status=error.http_status)
    if isinstance(error, Throttled):
        response["Retry-After"] = str(error.retry_after_s)
    return response
