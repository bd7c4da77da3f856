"""HTTP to the receivers of notices, and what their answers mean.

Every channel over HTTP sends through `post`: the address is resolved once, must be public or in
PORTAL_NOTICE_NETWORKS, and redirections are not followed.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Final

import dns.exception
import h11
from django.conf import settings

from portal.notifications.channels.channel import SEND_WITHIN_S
from portal.notifications.message import MAX_ANSWER_CHARS, Outcome, ReceiverAnswer
from portal.ownership.chosen_url import (
    AddressRefusedError,
    NoAddressError,
    UrlCall,
    network_with,
    send_to,
)
from portal.ownership.http_exchange import HttpAnswer

MAX_ANSWER_BYTES: Final = 16 * 1024
"""For the body of an answer. If it is longer, only the status counts."""
MAX_RETRY_AFTER_S: Final = 24 * 3600.0
"""A receiver that asks for a longer pause gets this one."""
_BUSY: Final = (408, 425, 429)
"""The 4xx statuses that say: later (RFC 9110 section 15.5.9, RFC 8470, RFC 6585)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one call."""

    answer: ReceiverAnswer
    status: int = 0
    "0: no HTTP answer"
    body: bytes = b""
    "empty if longer than `MAX_ANSWER_BYTES`"


def post(call: UrlCall, *, hidden: tuple[str, ...] = ()) -> Reply:
    """Send it within `SEND_WITHIN_S`. `hidden`: secrets that the answer's text must not show."""
    try:
        got = asyncio.run(_within_time(call))
    except AddressRefusedError as error:
        return _without_reply(Outcome.REFUSED, f"The portal does not contact {error}.", hidden)
    except TimeoutError:
        return _without_reply(Outcome.RETRY, f"No answer within {SEND_WITHIN_S:g} s.", hidden)
    except NoAddressError:
        return _without_reply(Outcome.RETRY, "The name has no address.", hidden)
    except ssl.SSLCertVerificationError as error:
        says = f"The certificate is not valid: {error.verify_message}."
        return _without_reply(Outcome.RETRY, says, hidden)
    except (OSError, EOFError, dns.exception.DNSException) as error:
        return _without_reply(Outcome.RETRY, f"No connection: {_why(error)}.", hidden)
    except h11.RemoteProtocolError as error:
        return _without_reply(Outcome.RETRY, f"The answer is not HTTP: {error}", hidden)
    return Reply(answer_of(got, hidden=hidden), got.status, got.body or b"")


async def _within_time(call: UrlCall) -> HttpAnswer:
    async with asyncio.timeout(SEND_WITHIN_S):
        network = network_with(settings.PORTAL_NOTICE_NETWORKS)
        return await send_to(call, network, max_body=MAX_ANSWER_BYTES)


def post_json(
    url: str,
    body: Mapping[str, object],
    *,
    headers: Sequence[tuple[str, str]] = (),
    method: str = "POST",
    hidden: tuple[str, ...] = (),
) -> Reply:
    """Send `body` as JSON."""
    sent = json.dumps(body, separators=(",", ":"), default=str).encode()
    own = [("Content-Type", "application/json"), ("Accept", "application/json"), *headers]
    return post(UrlCall(method=method, url=url, headers=own, body=sent), hidden=hidden)


def wait_of(reply: Reply, *, path: Sequence[str], unit_s: float = 1.0) -> ReceiverAnswer:
    """The answer, with the pause that some services name in the body instead of a header."""
    if reply.answer.outcome is not Outcome.RETRY or reply.answer.retry_after_s is not None:
        return reply.answer
    try:
        value = json.loads(reply.body)
        for name in path:
            value = value[name]
        wait_s = float(value) * unit_s
    except (ValueError, LookupError, TypeError, RecursionError):
        return reply.answer
    if not wait_s >= 0:
        return reply.answer
    return replace(reply.answer, retry_after_s=min(wait_s, MAX_RETRY_AFTER_S))


def _why(error: Exception) -> str:
    """Without numbers of errors and lines of code: "Connection refused"."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({(error.reason or 'no reason').replace('_', ' ').lower()})"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).rstrip(".") or type(error).__name__


def _without_reply(outcome: Outcome, text: str, hidden: tuple[str, ...]) -> Reply:
    return Reply(ReceiverAnswer(outcome, shown_text(text, hidden)))


def answer_of(got: HttpAnswer, *, hidden: tuple[str, ...] = ()) -> ReceiverAnswer:
    """By the status: 2xx sent, 410 gone, 429 and 5xx retry, everything else refused. Pure, but for
    the clock behind a Retry-After with a date.
    """
    outcome = outcome_of(got.status)
    words = _words((got.body or b"").decode(errors="replace"), got.status)
    headers = {name.lower(): value for name, value in got.headers}
    return ReceiverAnswer(
        outcome,
        shown_text(f"HTTP {got.status} {words}", hidden),
        retry_after_s(headers.get("retry-after", "")) if outcome is Outcome.RETRY else None,
    )


def _words(body: str, status: int) -> str:
    """What a person reads of it: of a page, its title, or its text without markup; and without the
    status, which is said before.
    """
    if not body.lstrip().startswith("<"):
        return body
    title = re.search(r"<title[^>]*>(.*?)</title>", body, re.DOTALL | re.IGNORECASE)
    text = unescape(title[1] if title else re.sub(r"<[^>]*>", " ", body))
    return text.strip().removeprefix(f"{status} ")


def outcome_of(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.SENT
    if status == 410:
        return Outcome.GONE
    return Outcome.RETRY if status in _BUSY or status >= 500 else Outcome.REFUSED


def retry_after_s(header: str) -> float | None:
    """Seconds, or until a date (RFC 9110 section 10.2.3); None if it says neither."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    wait_s = (until - datetime.now(UTC)).total_seconds()
    return min(max(math.ceil(wait_s), 0.0), MAX_RETRY_AFTER_S)


def shown_text(text: str, hidden: tuple[str, ...] = ()) -> str:
    """One line of printable characters, at most `MAX_ANSWER_CHARS`, without the secrets."""
    for one in hidden:
        if one:
            text = text.replace(one, "(secret)")
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_ANSWER_CHARS else f"{line[: MAX_ANSWER_CHARS - 1]}…"
