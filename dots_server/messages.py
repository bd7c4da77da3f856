"""CoAP without a transport: requests, responses and notifications as values."""

from __future__ import annotations

from dataclasses import dataclass

from dots_client import ConflictInformation, MitigationReport
from dots_client.server import DOTS_CBOR, encode_reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that arrived on a session."""

    method: str
    "GET, PUT, DELETE, or another name"
    path: tuple[str, ...]
    queries: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None
    if_match: tuple[bytes, ...] = ()
    observe: int | None = None
    hop_limit: int | None = None
    token: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer or notification."""

    code: str
    "as `2.05`"
    payload: bytes = b""
    content_format: int | None = None
    max_age: int | None = None
    observe: int | None = None

    @property
    def is_success(self) -> bool:
        return self.code.startswith("2.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One message to an observer."""

    session: int
    token: bytes
    response: Response
    is_last: bool = False


def cbor(code: str, payload: bytes, *, max_age: int | None = None) -> Response:
    return Response(code=code, payload=payload, content_format=DOTS_CBOR, max_age=max_age)


def text(code: str, diagnostic: str, *, max_age: int | None = None) -> Response:
    """An error with its diagnostic payload (RFC 7252 section 5.5.2)."""
    return Response(code=code, payload=diagnostic.encode(), max_age=max_age)


def conflict(information: ConflictInformation) -> Response:
    """4.09 (RFC 9132 section 4.4.1.3)."""
    return cbor("4.09", encode_reports([MitigationReport(conflict=information)]))
