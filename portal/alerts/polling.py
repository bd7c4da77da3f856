"""How the portal asks a detector that does not send: a conversation of calls and answers, without
input or output.

Each polled source has a module `poller` in its folder, with a generator. It yields calls, receives
the bytes of their answers, and returns what they say. A refused call arrives as
PollFailedError, which ends the poll unless the source catches it. `portal/alerts/services/poll.py`
makes the calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from portal.alerts.alert import RejectionCode, UnmappableError
from portal.alerts.fields import Fields
from portal.alerts.payload import json_records

MAX_TOLD: Final = 1_000
"""Ids of attacks that a cursor remembers, of each kind. The oldest is forgotten, which makes its
next alert a repeat.
"""
MAX_CALLS: Final = 60
"""of one poll"""


class PollProblem(StrEnum):
    """Why a poll failed. Stable, because the API returns it."""

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no-answer"
    NOT_ALLOWED = "not-allowed"
    BAD_CERTIFICATE = "bad-certificate"
    REFUSED = "refused"
    BUSY = "busy"
    SERVER_FAILED = "server-failed"
    REDIRECTED = "redirected"
    BAD_ANSWER = "bad-answer"
    TOO_LONG = "too-long"
    PORTAL_FAILED = "portal-failed"
    SECRET_UNREADABLE = "secret-unreadable"  # noqa: S105  # no secret


class PollFailedError(Exception):
    """A poll ends here; its cursor stays, so nothing is lost."""

    def __init__(
        self, problem: PollProblem, detail: str = "", *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(problem, detail)
        self.problem = problem
        self.detail = detail
        "for people who know HTTP"
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class PollCursor:
    """Up to where a detector was read. Empty: from the beginning of the first poll."""

    since: datetime | None = None
    "the time of the newest attack that was read, by the detector's own clock"
    latest: datetime | None = None
    "the same, of a list that was not read to its end yet"
    page: str = ""
    "where that list continues; empty: at its beginning"
    ongoing_page: str = ""
    "where the list of ongoing attacks continues"
    ongoing: tuple[str, ...] = ()
    "ids of attacks without an end, those that were asked for last at the end"
    ended: tuple[str, ...] = ()
    "ids of attacks whose end was read, the newest at the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAccount:
    """Who asks, and where."""

    url: str = ""
    "of the detector, without a slash at the end; empty if the source has only one"
    key_id: str = ""
    "the public half of a key; empty if the source has none"
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PollCall:
    """One call, complete with what proves who asks."""

    method: str = "GET"
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What the answers say: payloads in the form of the source, and where to continue."""

    payloads: tuple[bytes, ...] = ()
    cursor: PollCursor


Conversation = Generator[PollCall, bytes, Polled]


@dataclass(frozen=True, slots=True)
class Poller:
    """How a source is polled."""

    converse: Callable[[PollAccount, PollCursor, datetime], Conversation]
    why: Callable[[int, Mapping[str, str], bytes], PollFailedError]
    "what an answer with another status than 200 means, by status, headers and body"
    every_s: int
    "between two polls"
    has_url: bool
    "whether an admin names the address"
    has_key_id: bool


def read_answer(body: bytes) -> Fields:
    """:raises PollFailedError: it is no JSON object."""
    try:
        (record,) = json_records(body)
        return Fields.of(record)
    except (UnmappableError, ValueError) as error:
        code = error.code if isinstance(error, UnmappableError) else RejectionCode.NOT_AN_OBJECT
        raise PollFailedError(PollProblem.BAD_ANSWER, code) from None


def why_by_status(status: int, headers: Mapping[str, str], _body: bytes) -> PollFailedError:
    """The meaning of a status that HTTP gives it."""
    detail = f"HTTP {status}"
    wait = headers.get("retry-after", "")
    retry_after_s = int(wait) if wait.isascii() and wait.isdecimal() and len(wait) < 7 else None
    if status in (401, 403):
        return PollFailedError(PollProblem.REFUSED, detail)
    if status == 429:
        return PollFailedError(PollProblem.BUSY, detail, retry_after_s=retry_after_s)
    if status >= 500:
        return PollFailedError(PollProblem.SERVER_FAILED, detail, retry_after_s=retry_after_s)
    if 300 <= status < 400:
        return PollFailedError(PollProblem.REDIRECTED, detail)
    return PollFailedError(PollProblem.BAD_ANSWER, detail)


def payloads(records: Sequence[Any], each: int) -> tuple[list[Any], ...]:
    """The records in payloads of at most `each`."""
    return tuple(list(records[first : first + each]) for first in range(0, len(records), each))


def as_payload(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def newest(ids: Sequence[str]) -> tuple[str, ...]:
    """Each once, at its last place; at most `MAX_TOLD`."""
    kept = list(dict.fromkeys(reversed(ids)))[:MAX_TOLD]
    return tuple(reversed(kept))


def at_first_page(cursor: PollCursor) -> PollCursor:
    """The same with every list from its beginning: a server may forget where a list continues."""
    return replace(cursor, page="", ongoing_page="", latest=None)
