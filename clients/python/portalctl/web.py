"""HTTP calls with the standard library. It follows no redirect, so a secret goes to one host."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from portalctl.errors import UnreachableError, UsageError

TIMEOUT_S: Final = 10.0
"""Longest wait for the connection, and for each part of the answer."""
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of any status."""

    status: int
    body: bytes
    retry_after_s: int | None = None


def checked_url(url: str, argument: str) -> str:
    """The URL without a trailing slash.

    :raises UsageError: it is not https (http only to this machine), or it has a query, a password
        or a fragment, where a secret would be seen.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        raise UsageError(f"{argument}: This is not a web address. Example: https://portal.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise UsageError(f"{argument}: Use https. http works only for this machine.")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(
            f"{argument}: Leave out the password, the key and everything after “?” or “#”: others "
            "on this machine can read the command line."
        )
    if not url.isascii() or any(character <= " " for character in url):
        raise UsageError(f"{argument}: A web address has no spaces and only ASCII characters.")
    return url.rstrip("/")


def call(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """The response, whatever its status.

    :raises UnreachableError: no whole answer came. The portal may have done what was asked.
    """
    parts = urlsplit(url)
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    connection = _connection(parts, timeout_s)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        received = response.read(MAX_ANSWER_BYTES + 1)
        if len(received) > MAX_ANSWER_BYTES:
            raise UnreachableError(f"{parts.hostname} sent too long an answer.")
        return Answer(response.status, received, _seconds(response.getheader("Retry-After")))
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"{parts.hostname} does not answer: {reason}") from error
    finally:
        connection.close()


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _seconds(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdecimal() else None
