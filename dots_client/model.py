"""The messages of the DOTS signal channel as frozen dataclasses (RFC 9132 sections 4 and 5).

Names are the RFC's, with underscores. A field is `None` (or an empty tuple) when the attribute is
absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

INDEFINITE = -1
"""`lifetime`: no end until withdrawn (RFC 9132 section 4.4.1.1)."""

DEFAULT_LIFETIME_S = 3600


class MitigationStatus(IntEnum):
    """`status` of a mitigation (RFC 9132 Table 3)."""

    IN_PROGRESS = 1
    MITIGATING = 2
    ATTACK_STOPPED = 3
    EXCEEDED_CAPABILITY = 4
    TERMINATING = 5
    TERMINATED = 6
    WITHDRAWN = 7
    SIGNAL_LOSS = 8


class AttackStatus(IntEnum):
    """`attack-status` of an efficacy update (RFC 9132 Table 4)."""

    UNDER_ATTACK = 1
    SUCCESSFULLY_MITIGATED = 2


class ConflictStatus(IntEnum):
    """`conflict-status` (RFC 9132 section 4.4.1.3)."""

    REQUEST_INACTIVE_OTHER_ACTIVE = 1
    REQUEST_ACTIVE = 2
    ALL_REQUESTS_INACTIVE = 3


class ConflictCause(IntEnum):
    """`conflict-cause`.

    RFC 9132 section 4.4.1.3; 4 is from RFC 9066 section 7.2, 5 from RFC 9244 section 13.2.
    """

    OVERLAPPING_TARGETS = 1
    CONFLICT_WITH_ACCEPTLIST = 2
    CUID_COLLISION = 3
    REQUEST_REJECTED_LEGITIMATE_TRAFFIC = 4
    OVERLAPPING_PIPES = 5


class ActivationType(IntEnum):
    """`activation-type` of a filter (RFC 9133 section 3.2.1)."""

    ACTIVATE_WHEN_MITIGATING = 1
    IMMEDIATE = 2
    DEACTIVATE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRange:
    """`target-port-range` (RFC 9132 section 4.4.1.1): one port when `upper` is None."""

    lower: int
    "0-65535"
    upper: int | None = None
    "lower-65535"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The targets to protect (RFC 9132 section 4.4.1.1)."""

    target_prefix: tuple[str, ...] = ()
    "CIDR, network address; never broadcast, loopback or multicast"
    target_port_range: tuple[PortRange, ...] = ()
    "empty: any port"
    target_protocol: tuple[int, ...] = ()
    "IANA protocol numbers 0-255; empty: any"
    target_fqdn: tuple[str, ...] = ()
    "domain names as in RFC 6991, up to 253 characters, without the root alone"
    target_uri: tuple[str, ...] = ()
    "ASCII, with a scheme and a host; the scheme implies protocol and port"
    alias_name: tuple[str, ...] = ()
    "created before by the same cuid over the data channel (RFC 8783)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterControl:
    """One filter to switch on or off: an entry of RFC 9133's `acl-list`."""

    acl_name: str
    "as it was installed over the data channel by the same cuid"
    activation_type: ActivationType | int | None = None
    """None: omitted, which means ACTIVATE_WHEN_MITIGATING; an unknown value of a server stays a
    plain number"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The one `scope` entry of a mitigation request (RFC 9132 section 4.4.1.1)."""

    targets: Targets
    lifetime: int = DEFAULT_LIFETIME_S
    "seconds, 1-4294967295, or INDEFINITE"
    trigger_mitigation: bool = True
    "False: preconfigured; starts when the session is lost"
    attack_status: AttackStatus | None = None
    "only in efficacy updates"
    acl_list: tuple[FilterControl, ...] = ()
    "filters to switch with this request; needs a new mid, and an attack (RFC 9133 section 3.2.1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class AclEntry:
    """One entry of `acl-list` in a conflict-scope: a filter that is in the way.

    RFC 9132 section 4.4.1.3.
    """

    acl_name: str
    acl_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictInformation:
    """Why a request is in conflict (RFC 9132 section 4.4.1.3)."""

    status: ConflictStatus | int | None = None
    "an unknown value stays a plain number, 0-255"
    cause: ConflictCause | int | None = None
    "an unknown value stays a plain number, 0-255"
    retry_timer_s: int | None = None
    "0-4294967295 seconds before the same request may be sent again"
    targets: Targets | None = None
    acl_list: tuple[AclEntry, ...] = ()
    mid: int | None = None
    "the client's own mitigation that won, from conflict-scope"

    @property
    def cause_in_words(self) -> str:
        """The cause as text, also for an unknown or missing one."""
        if isinstance(self.cause, ConflictCause):
            return self.cause.name.lower().replace("_", " ")
        return "unknown conflict" if self.cause is None else f"unknown conflict cause {self.cause}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MitigationReport:
    """A server's report on one mitigation: an entry of `scope` in its answers.

    RFC 9132 section 4.4.2.

    Its text is printable and on one line (`clean_text`).
    """

    mid: int | None = None
    "0-4294967295; None: the server omitted it"
    lifetime: int | None = None
    "remaining seconds, or INDEFINITE"
    status: MitigationStatus | int | None = None
    "None: not reported; an unknown value stays a plain number, 0-255"
    mitigation_start: int | None = None
    "seconds since 1970-01-01 UTC; some servers send 0 for a mitigation that has not begun"
    bytes_dropped: int | None = None
    "since the start; wraps at 2^64, as pkts_dropped does"
    pkts_dropped: int | None = None
    bps_dropped: int | None = None
    "BYTES per second, despite the name; an average over five minutes, as pps_dropped is"
    pps_dropped: int | None = None
    conflict: ConflictInformation | None = None
    targets: Targets | None = None
    trigger_mitigation: bool | None = None
    acl_list: tuple[FilterControl, ...] = ()
    "filters whose activation changed, or which could not be switched (RFC 9133 section 3.2.1)"
    not_read: tuple[str, ...] = ()
    "unreadable attributes that were left out, each with its path and the reason; never sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One negotiable parameter: the value in force and the limits for changes."""

    current: int | Decimal | None = None
    minimum: int | Decimal | None = None
    maximum: int | Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationSet:
    """`idle-config` or `mitigating-config` (RFC 9132 section 4.5)."""

    heartbeat_interval: Parameter | None = None
    "seconds, 15-240, 0 = off; default 30"
    missing_hb_allowed: Parameter | None = None
    "heartbeats in a row without an answer, 1-65535; default 15"
    probing_rate: Parameter | None = None
    "bytes per second, enough for a heartbeat of 43 bytes in each interval; default 5"
    max_retransmit: Parameter | None = None
    "retransmissions of a Confirmable message, 0-65535; default 3"
    ack_timeout: Parameter | None = None
    "seconds, Decimal with two digits; default 2.00"
    ack_random_factor: Parameter | None = None
    "Decimal with two digits, 1.00 or more; default 1.50"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalConfig:
    """`signal-config`: both sets, as sent in a PUT or received from a GET."""

    mitigating: ConfigurationSet | None = None
    idle: ConfigurationSet | None = None
    sid: int | None = None
    "only in responses; in requests it is part of the path"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectedSignal:
    """`redirected-signal` of a 5.03 (RFC 9132 section 4.6)."""

    alt_server: str
    "the name in its certificate"
    alt_server_record: tuple[str, ...] = ()
    "addresses, used instead of DNS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """`heartbeat` (RFC 9132 section 4.7)."""

    peer_hb_status: bool
    "True: the sender received heartbeats within the last two intervals"
