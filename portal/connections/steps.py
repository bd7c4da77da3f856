"""The steps of a test of a connection, and what each can find. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portal.core.json_value import sparse

MAX_ADDRESSES: Final = 8
MAX_NAMES: Final = 10
MAX_CHAIN: Final = 5
MAX_TEXT: Final = 300


class StepName(StrEnum):
    """In their order."""

    NAME = "name"
    "the addresses of the provider's host"
    ADDRESS = "address"
    "something answers at the address"
    HANDSHAKE = "handshake"
    "(D)TLS"
    CERTIFICATE = "certificate"
    "the provider's, and the names in it"
    SESSION = "session"
    "a heartbeat, and a request that only clients may send"


class StepState(StrEnum):
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


class StepFailure(StrEnum):
    """Why a step failed; the sentence says what to do."""

    NO_ADDRESS = "no-address"
    NOTHING_LISTENS = "nothing-listens"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    UNFINISHED = "unfinished"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_NAME = "wrong-name"
    BAD_CERTIFICATE = "bad-certificate"
    REFUSED_CERTIFICATE = "refused-certificate"
    CUT_EARLY = "cut-early"
    NOT_DOTS = "not-dots"
    NO_ANSWER = "no-answer"
    OTHER = "other"
    PORTAL_FAILED = "portal-failed"


class ConnectionResult(StrEnum):
    PASSED = "passed"
    "over at least one transport"
    FAILED = "failed"
    LOST = "lost"
    "the worker that made it stopped, or none was there to make it"


@sparse()
@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCertificate:
    """One certificate that the provider showed."""

    name: str
    begins: str
    "ISO 8601"
    ends: str


@sparse()
@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStep:
    """What one step found so far."""

    step: StepName
    state: StepState
    transport: str = ""
    "`dtls` or `tls`; empty: both have it in common"
    failure: StepFailure | None = None
    detail: str = ""
    "for people who know the protocol: the words of the client library"
    addresses: tuple[str, ...] = ()
    peer: str = ""
    "address and port"
    version: str = ""
    cipher: str = ""
    took_ms: int | None = None
    names: tuple[str, ...] = ()
    "in the provider's certificate"
    chain: tuple[ShownCertificate, ...] = ()
    heartbeat_s: int | None = None
    "how often the provider wants heartbeats; None: it has no configuration"
