"""Pages that need a fresh second factor.

A view calls `require_fresh_factor(request)` once it knows that the person may do this. If the
factor is too old, the person gets one field for a code, which also sends the form again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from portal.accounts import services
from portal.accounts.access import person_of
from portal.core.addresses import address_of
from portal.core.errors import (
    FreshFactorRequired,
    InvalidCredentials,
    PortalError,
    SecretUnreadable,
    Throttled,
)
from portal.web.accounts import typed
from portal.web.accounts.pages import WRONG_CODE
from portal.web.rendering import Page, render_page

CODE: Final = "step_up_code"
MAX_CODE_LENGTH: Final = 64
_NOT_KEPT: Final = frozenset({CODE, "csrfmiddlewaretoken"})


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
    error: str = ""


class WrongStepUp(FreshFactorRequired):
    """The code that came with the form was not accepted."""

    def __init__(self, cause: PortalError) -> None:
        super().__init__()
        is_wrong = isinstance(cause, InvalidCredentials)
        self.message = WRONG_CODE if is_wrong else cause.message
        self.retry_after_s = cause.retry_after_s


def require_fresh_factor(request: HttpRequest) -> None:
    """FreshFactorRequired, which StepUpPages answers with the page that asks for a code."""
    code = request.POST.get(CODE, "")[:MAX_CODE_LENGTH]
    if code:
        try:
            services.step_up(
                credential=request.session,
                user=person_of(request),
                code=code,
                address=address_of(request),
                device_secret=request.COOKIES.get(settings.KNOWN_DEVICE_COOKIE, ""),
            )
        except (InvalidCredentials, SecretUnreadable, Throttled) as error:
            raise WrongStepUp(error) from error
    services.require_fresh_factor(request.session)


class StepUpPages:
    """Answers FreshFactorRequired from any view that a form was sent to."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, FreshFactorRequired) or request.method != "POST":
            return None
        page = StepUpPage(
            username=person_of(request).get_username(),
            action=request.get_full_path(),
            back=_page_of(request),
            sent=[
                SentField(name, value)
                for name, values in request.POST.lists()
                if name not in _NOT_KEPT
                for value in values
            ],
            error=error.message if isinstance(error, WrongStepUp) else "",
        )
        response = render_page(request, page, status=error.http_status)
        if error.retry_after_s:
            response["Retry-After"] = str(error.retry_after_s)
        return response


def _page_of(request: HttpRequest) -> str:
    return typed.referring_page(request) or settings.LOGIN_REDIRECT_URL
