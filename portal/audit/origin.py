"""From where and with what the current HTTP request acts. Read only when something is recorded, so
that requests that change nothing pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from django.http import HttpRequest, HttpResponse

from portal.core.addresses import address_of
from portal.core.origins import origin_of


class OriginData(TypedDict, total=False):
    """An Origin as JSON, without what is unknown."""

    address: str
    factor: str
    token: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Unknown values are empty. Outside of an HTTP request all are."""

    address: str = ""
    factor: str = ""
    token: str = ""

    def as_json(self) -> OriginData | None:
        """None if nothing is known."""
        known = {name: value for name, value in asdict(self).items() if value}
        return OriginData(**known) if known else None  # type: ignore[typeddict-item]


_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


class KnowsOrigin:
    """The middleware, inside those that find the person and the second factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def current_origin() -> Origin:
    request = _request.get()
    if request is None:
        return Origin()
    return Origin(address_of(request), _factor(request), _token(request))


def current_address_of_portal() -> str:
    """As the caller knows it, for links in mail: `https://portal.example`. Empty outside of an HTTP
    request.
    """
    request = _request.get()
    return "" if request is None else origin_of(request)


def current_user() -> Any:
    """The person of the current request, as Django has it; None outside of a request."""
    return getattr(_request.get(), "user", None)


def factor_of(device: Any) -> str:
    """A second factor as an entry names it: its kind and its name."""
    return f"{device._meta.model_name}:{device.name}"


def _factor(request: HttpRequest) -> str:
    device = getattr(getattr(request, "user", None), "otp_device", None)
    return "" if device is None else factor_of(device)


def _token(request: HttpRequest) -> str:
    """REST framework leaves the token of an API call on the request as `auth`."""
    token: Any = getattr(request, "auth", None)
    return "" if token is None else str(token.audit_name)
