"""Pages that need a fresh second factor.

A view calls `require_fresh_factor(request)` once it knows that the person may do this. If the
factor is too old, the person gets one field for a code, which also sends the form again. Views that
change what signs a person in call `require_fresh_sign_in(request)`: then there is a field for the
password too, a passkey has to be both, or the identity provider asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode

from portal.accounts import services
from portal.accounts.access import person_of
from portal.accounts.enrolled import has_app
from portal.accounts.models import User
from portal.accounts.services.sessions import is_federated
from portal.core.addresses import address_of
from portal.core.errors import (
    FreshFactorRequired,
    FreshSignInRequired,
    InvalidCredentials,
    OtherSignInRequired,
    PortalError,
    SecretUnreadable,
    Throttled,
)
from portal.sso.required import must_use_single_sign_on
from portal.web.accounts import typed
from portal.web.accounts.pages import WRONG_CODE
from portal.web.rendering import Page, render_page

CODE: Final = "step_up_code"
PASSKEY: Final = "step_up_passkey"
PASSWORD: Final = "step_up_password"  # noqa: S105 - the name of a field
SIGN_IN: Final = "step_up_sign_in"
"""A field of the page that asks before another page opens: it needs both steps."""
MAX_CODE_LENGTH: Final = 64
WRONG_SIGN_IN: Final = "This did not match. Try again, with the next code."
CONFIRM_WITH_PASSKEY: Final = "Confirm with your passkey"
_NOT_KEPT: Final = frozenset({CODE, PASSKEY, PASSWORD, "csrfmiddlewaretoken"})


@dataclass(frozen=True, slots=True)
class SentField:
    """A field of the form that waits for the code."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpPage(Page):
    """One field for a code, and the hidden fields of the form that needs it."""

    template: ClassVar = "accounts/step_up.html"

    username: str
    action: str
    "the path that the form was sent to"
    back: str
    "the page with that form"
    sent: Sequence[SentField]
    has_app: bool
    asks_password: bool
    "beside the code"
    has_code: bool
    "False: only a passkey or the identity provider can do both steps"
    passkey: str
    "the options for the browser, as JSON; empty if the person has no passkey"
    confirm_there: str = ""
    "the path to the identity provider that opened this session; empty: none did"
    error: str = ""

    @property
    def heading(self) -> str:
        if self.asks_password:
            return "Confirm with your password"
        if not self.has_code and not self.passkey:
            return "Confirm at your identity provider"
        return "Confirm with a code" if self.has_app and self.has_code else CONFIRM_WITH_PASSKEY

    @property
    def needs(self) -> str:
        """What has to be given, inside a sentence."""
        if self.asks_password:
            return "your password and a code"
        if not self.has_code and not self.passkey:
            return "a sign-in at your identity provider"
        return "a code" if self.has_app and self.has_code else "your passkey"


class WrongStepUp(FreshFactorRequired):
    """The code that came with the form was not accepted."""

    def __init__(self, cause: PortalError) -> None:
        super().__init__()
        is_wrong = isinstance(cause, InvalidCredentials)
        self.message = WRONG_CODE if is_wrong else cause.message
        self.retry_after_s = cause.retry_after_s


class WrongSignIn(WrongStepUp, FreshSignInRequired):
    """The password, the code or the passkey that came with the form was not accepted."""

    def __init__(self, cause: PortalError) -> None:
        super().__init__(cause)
        if isinstance(cause, InvalidCredentials):
            self.message = WRONG_SIGN_IN


def require_fresh_factor(request: HttpRequest) -> None:
    """FreshFactorRequired, which StepUpPages answers with the page that asks for a code."""
    try:
        _step_up(request, person_of(request), needs_password=False)
    except (InvalidCredentials, SecretUnreadable, Throttled) as error:
        raise WrongStepUp(error) from error
    services.require_fresh_factor(request.session)


def require_fresh_sign_in(request: HttpRequest) -> None:
    """FreshSignInRequired, which StepUpPages answers with the page that asks for password and
    code.
    """
    needs_password = not services.has_fresh_first_step(request.session)
    try:
        _step_up(request, person_of(request), needs_password=needs_password)
    except (InvalidCredentials, OtherSignInRequired, SecretUnreadable, Throttled) as error:
        raise WrongSignIn(error) from error
    services.require_fresh_sign_in(request.session)


def _step_up(request: HttpRequest, person: User, *, needs_password: bool) -> None:
    """With what came with the form, if anything did."""
    code, answer = request.POST.get(CODE, "")[:MAX_CODE_LENGTH], request.POST.get(PASSKEY, "")
    password = request.POST.get(PASSWORD, "") if needs_password else ""
    if code and needs_password and not password:
        # The code stays unused.
        raise InvalidCredentials
    if code:
        services.step_up(
            credential=request.session,
            user=person,
            code=code,
            address=address_of(request),
            device_secret=request.COOKIES.get(settings.KNOWN_DEVICE_COOKIE, ""),
            password=password,
        )
    elif answer:
        services.step_up_with_passkey(request, user=person, answer=answer)


def ask_first(request: HttpRequest, *, is_sign_in: bool = False) -> HttpResponse | None:
    """For a page whose form has secrets, which no other page may repeat: the page that asks for a
    fresh factor, if there is none, and then opens this one. `is_sign_in`: for both steps.
    """
    try:
        if is_sign_in:
            services.require_fresh_sign_in(request.session)
        else:
            services.require_fresh_factor(request.session)
    except FreshFactorRequired as error:
        page = _page(
            request,
            error,
            action=reverse("accounts:confirm"),
            sent=[
                SentField("next", request.path),
                *([SentField(SIGN_IN, "1")] if is_sign_in else []),
            ],
            following=request.path,
        )
        return render_page(request, page)
    return None


def _page(
    request: HttpRequest,
    error: FreshFactorRequired,
    *,
    action: str,
    sent: Sequence[SentField],
    following: str,
) -> StepUpPage:
    """`following`: where an identity provider sends the person back to."""
    person = person_of(request)
    needs_password = isinstance(error, FreshSignInRequired) and not services.has_fresh_first_step(
        request.session
    )
    has_password = person.has_usable_password() and not must_use_single_sign_on(person)
    has_passkey = services.has_passkey(person)
    options = services.begin_check(request, person, is_both=needs_password) if has_passkey else ""
    return StepUpPage(
        username=person.get_username(),
        action=action,
        back=_page_of(request),
        sent=sent,
        confirm_there=_confirm_there(request, following),
        has_app=has_app(person),
        asks_password=needs_password and has_password,
        has_code=has_password or not needs_password,
        passkey=options,
        error=error.message if isinstance(error, WrongStepUp) else "",
    )


class StepUpPages:
    """Answers FreshFactorRequired from any view that a form was sent to."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, FreshFactorRequired) or request.method != "POST":
            return None
        page = _page(
            request,
            error,
            action=request.get_full_path(),
            sent=[
                SentField(name, value)
                for name, values in request.POST.lists()
                if name not in _NOT_KEPT
                for value in values
            ],
            following=_page_of(request),
        )
        response = render_page(request, page, status=error.http_status)
        if error.retry_after_s:
            response["Retry-After"] = str(error.retry_after_s)
        return response


def _confirm_there(request: HttpRequest, following: str) -> str:
    if not is_federated(request.session):
        return ""
    return f"{reverse('single-sign-on:confirm')}?{urlencode({'next': following})}"


def _page_of(request: HttpRequest) -> str:
    return typed.referring_page(request) or settings.LOGIN_REDIRECT_URL
