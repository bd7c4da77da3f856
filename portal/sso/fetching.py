"""HTTP to identity providers, whose addresses a customer chose.

The library asks `requests`; this is the transport under it. It follows no redirection, and limits
time, size and how many calls run at once (portal.ownership.chosen_url pins the address).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from threading import BoundedSemaphore
from typing import Any, Final

import dns.exception
import h11
import requests
from django.conf import settings
from requests.adapters import BaseAdapter

from portal.ownership.chosen_url import (
    PORTS,
    AddressRefusedError,
    NoAddressError,
    UrlCall,
    network_with,
    send_to,
)
from portal.ownership.evidence import Network
from portal.ownership.http_exchange import HttpAnswer
from portal.sso.errors import SignInRefused
from portal.sso.refusals import Refused

TIMEOUT_S: Final = 5.0
"""From the question for the address to the last byte, for each call."""
MAX_BODY_BYTES: Final = 128 * 1024
MAX_CALLS_AT_ONCE: Final = 4
"""In one web process: identity providers that hang must not take all threads."""
_calls = BoundedSemaphore(MAX_CALLS_AT_ONCE)


def session() -> requests.Session:
    """A session that only goes through `GuardedTransport`, and takes nothing from the
    environment.
    """
    made = requests.Session()
    made.trust_env = False
    made.adapters.clear()
    for scheme in PORTS:
        made.mount(f"{scheme}://", GuardedTransport())
    return made


class GuardedTransport(BaseAdapter):
    """Raises SignInRefused for everything but a whole answer with a status below 300, or one of
    400 and more.
    """

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002
        timeout: Any = None,
        verify: Any = True,  # noqa: FBT002
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        if not _calls.acquire(blocking=False):
            raise SignInRefused(Refused.BUSY)
        try:
            answer = asyncio.run(_within_time(request))
        finally:
            _calls.release()
        if 300 <= answer.status < 400:
            raise SignInRefused(Refused.BAD_ANSWER, f"HTTP {answer.status}: a redirection")
        if answer.body is None:
            raise SignInRefused(Refused.BAD_ANSWER, f"more than {MAX_BODY_BYTES} bytes")
        return _as_response(request, answer, answer.body)

    def close(self) -> None:
        """Each call has its own connection."""


async def _within_time(request: requests.PreparedRequest) -> HttpAnswer:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _send(request)
    except TimeoutError:
        raise SignInRefused(Refused.UNREACHABLE, f"no answer in {TIMEOUT_S:.0f} s") from None
    except ssl.SSLCertVerificationError as error:
        raise SignInRefused(Refused.UNREACHABLE, f"certificate: {error.verify_message}") from None
    except (OSError, EOFError, dns.exception.DNSException) as error:
        raise SignInRefused(Refused.UNREACHABLE, type(error).__name__) from None
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as error:
        raise SignInRefused(Refused.BAD_ANSWER, type(error).__name__) from None


async def _send(request: requests.PreparedRequest) -> HttpAnswer:
    body = request.body or b""
    call = UrlCall(
        method=request.method or "GET",
        url=request.url or "",
        headers=_headers(request),
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
    try:
        return await send_to(call, _network(), max_body=MAX_BODY_BYTES)
    except AddressRefusedError as error:
        raise SignInRefused(Refused.NOT_ALLOWED, str(error)) from None
    except NoAddressError:
        raise SignInRefused(Refused.UNREACHABLE, "the name has no address") from None


def _headers(request: requests.PreparedRequest) -> list[tuple[str, str]]:
    kept = {"accept", "authorization", "content-type"}
    return [(name, str(value)) for name, value in request.headers.items() if name.lower() in kept]


def _network() -> Network:
    return network_with(settings.PORTAL_SSO_NETWORKS)


def _as_response(
    request: requests.PreparedRequest, answer: HttpAnswer, body: bytes
) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers.update(dict(answer.headers))
    response.headers.setdefault("content-type", "")
    response._content = body
    response.encoding = "utf-8"
    response.request, response.url = request, request.url or ""
    return response
