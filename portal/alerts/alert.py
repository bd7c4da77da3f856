"""The normal form of an alert, whatever detector sent it, and why a record has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from portal.core.json_value import sparse
from portal.core.targets import PortRange, Targets

MAX_TARGETS: Final = 100
"""Maximum targets of one alert."""
MAX_EVENT_ID_LENGTH: Final = 200
MAX_VECTOR_LENGTH: Final = 120
MAX_TEXT_LENGTH: Final = 500
MAX_LINK_LENGTH: Final = 500


class AlertState(StrEnum):
    """What the alert says about its incident."""

    START = "start"
    UPDATE = "update"
    END = "end"


class AttackDirection(StrEnum):
    """Where the attack traffic flows, seen from the organization's network."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    UNKNOWN = "unknown"


class RejectionCode(StrEnum):
    """Why a payload or a record of it was rejected. Stable, because the API returns it."""

    NOT_TEXT = "not-text"
    NOT_JSON = "not-json"
    DUPLICATE_KEY = "duplicate-key"
    NOT_A_NUMBER = "not-a-number"
    NUL = "nul-character"
    EMPTY = "empty"
    TOO_MANY_RECORDS = "too-many-records"
    TOO_DEEP = "too-deep"
    NOT_AN_OBJECT = "not-an-object"
    OTHER_SOURCE = "other-source"
    WRONG_TYPE = "wrong-type"
    MISSING = "missing"
    BAD_TARGET = "bad-target"
    TOO_MANY_TARGETS = "too-many-targets"
    BAD_TIME = "bad-time"
    BAD_NUMBER = "bad-number"
    UNKNOWN_STATE = "unknown-state"
    UNKNOWN_HOST = "unknown-host"
    PORTAL_FAILED = "portal-failed"


class UnmappableError(ValueError):
    """A payload or a record that has no normal form; `field` is the wrong one's path."""

    def __init__(self, code: RejectionCode, field: str = "") -> None:
        super().__init__(f"{code} {field}")
        self.code = code
        self.field = field


@sparse(always=("event_id", "state"))
@dataclass(frozen=True, kw_only=True)
class Alert:
    """One detector's statement about one incident."""

    event_id: str
    "the same in all alerts of one incident"
    state: AlertState
    targets: Targets = field(default_factory=Targets)
    "who is attacked; empty if the source does not know, or if the attack is outgoing"
    attacker: str = ""
    "our own host that attacks others, of an outgoing attack"
    direction: AttackDirection = AttackDirection.UNKNOWN
    protocols: tuple[int, ...] = ()
    ports: tuple[PortRange, ...] = ()
    vector: str = ""
    severity: int | None = None
    "0 (least) to 4"
    bps: int | None = None
    pps: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    link: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingSettings:
    """What an endpoint adds to a payload."""

    received_at: datetime
    default: Targets = field(default_factory=Targets)
    "the target of alerts that name none"
    hosts: Mapping[str, Targets] = field(default_factory=dict)
    "the targets behind names of web servers, in lower case"
    notices: frozenset[str] = frozenset()
    "the Zeek notices that count; empty: all"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that has no normal form."""

    index: int
    "from 0, in the payload"
    code: RejectionCode
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What a payload says."""

    alerts: tuple[Alert, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    ignored: int = 0
    "records that are no alert, such as a test of the source"
