"""RFC 9132 Table 5 as data: every attribute, its CBOR key and type, and where it may occur.

Encoding, decoding and the JSON view all read this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Final

MESSAGE: Final = "message"
"""The outermost map, which contains one of the four kinds of body."""

MITIGATION_SCOPE: Final = "ietf-dots-signal-channel:mitigation-scope"
SIGNAL_CONFIG: Final = "ietf-dots-signal-channel:signal-config"
REDIRECTED_SIGNAL: Final = "ietf-dots-signal-channel:redirected-signal"
HEARTBEAT_MESSAGE: Final = "ietf-dots-signal-channel:heartbeat"
CONTROL_ACL_LIST: Final = "ietf-dots-signal-control:acl-list"

UINT8: Final = 2**8 - 1
UINT16: Final = 2**16 - 1
UINT32: Final = 2**32 - 1
UINT64: Final = 2**64 - 1


class Kind(Enum):
    """The CBOR type of an attribute: the column "CBOR Type" of Table 5."""

    MAP = "map"
    MAPS = "array of maps"
    TEXT = "text string"
    TEXTS = "array of text strings"
    UINT = "unsigned integer"
    UINTS = "array of unsigned integers"
    LIFETIME = "unsigned integer or -1"
    BOOLEAN = "boolean"
    DECIMAL = "tag 4 array of -2 and an integer"


class Sender(Flag):
    """Who may send an attribute. Flag(0) means that neither side may."""

    CLIENT = auto()
    SERVER = auto()


class Comprehension(Enum):
    """What a receiver does with an unknown key (RFC 9132 section 6)."""

    REQUIRED = "refuse the message"
    OPTIONAL = "ignore the attribute"


NOBODY: Final = Sender(0)
BOTH: Final = Sender.CLIENT | Sender.SERVER


def comprehension(key: int) -> Comprehension:
    """The comprehension class of a key (RFC 9132 section 10.6.1.1)."""
    if 128 <= key <= 255 or 16384 <= key <= 65535:
        return Comprehension.OPTIONAL
    return Comprehension.REQUIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One row of Table 5."""

    name: str
    key: int
    kind: Kind
    within: tuple[str, ...]
    "names of the maps that may contain it"
    sender: Sender
    maximum: int = UINT64
    "of an unsigned integer; for an enumeration, the highest number that a server may send"
    labels: tuple[str, ...] = ()
    "of an enumeration: the JSON strings for 1, 2, ..."
    is_string_in_json: bool = False

    @property
    def comprehension(self) -> Comprehension:
        return comprehension(self.key)


STATUS_LABELS: Final = (
    "attack-mitigation-in-progress",
    "attack-successfully-mitigated",
    "attack-stopped",
    "attack-exceeded-capability",
    "dots-client-withdrawn-mitigation",
    "attack-mitigation-terminated",
    "attack-mitigation-withdrawn",
    "attack-mitigation-signal-loss",
)
CONFLICT_STATUS_LABELS: Final = (
    "request-inactive-other-active",
    "request-active",
    "all-requests-inactive",
)
CONFLICT_CAUSE_LABELS: Final = (
    "overlapping-targets",
    "conflict-with-acceptlist",
    "cuid-collision",
    # RFC 9066 section 7.2, RFC 9244 section 13.2.
    "request-rejected-legitimate-traffic",
    "overlapping-pipes",
)
ATTACK_STATUS_LABELS: Final = ("under-attack", "attack-successfully-mitigated")
ACTIVATION_TYPE_LABELS: Final = ("activate-when-mitigating", "immediate", "deactivate")

_SCOPE = ("scope",)
_TARGETS = ("scope", "conflict-scope")
_SETS = ("mitigating-config", "idle-config")
_WHOLE = ("heartbeat-interval", "missing-hb-allowed", "probing-rate", "max-retransmit")
_FRACTION = ("ack-timeout", "ack-random-factor")


def _row(
    key: int,
    name: str,
    kind: Kind,
    within: tuple[str, ...],
    sender: Sender,
    maximum: int = UINT64,
    *,
    labels: tuple[str, ...] = (),
    is_string: bool = False,
) -> Attribute:
    return Attribute(
        name=name,
        key=key,
        kind=kind,
        within=within,
        sender=sender,
        maximum=maximum,
        labels=labels,
        is_string_in_json=is_string,
    )


TABLE: Final[tuple[Attribute, ...]] = (
    _row(1, MITIGATION_SCOPE, Kind.MAP, (MESSAGE,), BOTH),
    _row(2, "scope", Kind.MAPS, (MITIGATION_SCOPE,), BOTH),
    # Only in the path: no body contains cdid or cuid (RFC 9132 sections 4.4.1.1, 4.4.1.3).
    _row(3, "cdid", Kind.TEXT, _SCOPE, NOBODY),
    _row(4, "cuid", Kind.TEXT, _SCOPE, NOBODY),
    _row(5, "mid", Kind.UINT, _TARGETS, Sender.SERVER, UINT32),
    _row(6, "target-prefix", Kind.TEXTS, _TARGETS, BOTH),
    _row(7, "target-port-range", Kind.MAPS, _TARGETS, BOTH),
    _row(8, "lower-port", Kind.UINT, ("target-port-range",), BOTH, UINT16),
    _row(9, "upper-port", Kind.UINT, ("target-port-range",), BOTH, UINT16),
    _row(10, "target-protocol", Kind.UINTS, _TARGETS, BOTH, UINT8),
    _row(11, "target-fqdn", Kind.TEXTS, _TARGETS, BOTH),
    _row(12, "target-uri", Kind.TEXTS, _TARGETS, BOTH),
    _row(13, "alias-name", Kind.TEXTS, _TARGETS, BOTH),
    _row(14, "lifetime", Kind.LIFETIME, _SCOPE, BOTH, UINT32),
    _row(15, "mitigation-start", Kind.UINT, _SCOPE, Sender.SERVER, is_string=True),
    _row(16, "status", Kind.UINT, _SCOPE, Sender.SERVER, UINT8, labels=STATUS_LABELS),
    _row(17, "conflict-information", Kind.MAP, _SCOPE, Sender.SERVER),
    _row(
        18,
        "conflict-status",
        Kind.UINT,
        ("conflict-information",),
        Sender.SERVER,
        UINT8,
        labels=CONFLICT_STATUS_LABELS,
    ),
    _row(
        19,
        "conflict-cause",
        Kind.UINT,
        ("conflict-information",),
        Sender.SERVER,
        UINT8,
        labels=CONFLICT_CAUSE_LABELS,
    ),
    _row(
        20,
        "retry-timer",
        Kind.UINT,
        ("conflict-information",),
        Sender.SERVER,
        UINT32,
        is_string=True,
    ),
    _row(21, "conflict-scope", Kind.MAP, ("conflict-information",), Sender.SERVER),
    _row(22, "acl-list", Kind.MAPS, ("conflict-scope",), Sender.SERVER),
    _row(23, "acl-name", Kind.TEXT, ("acl-list", CONTROL_ACL_LIST), BOTH),
    _row(24, "acl-type", Kind.TEXT, ("acl-list",), Sender.SERVER),
    _row(25, "bytes-dropped", Kind.UINT, _SCOPE, Sender.SERVER, is_string=True),
    _row(26, "bps-dropped", Kind.UINT, _SCOPE, Sender.SERVER, is_string=True),
    _row(27, "pkts-dropped", Kind.UINT, _SCOPE, Sender.SERVER, is_string=True),
    _row(28, "pps-dropped", Kind.UINT, _SCOPE, Sender.SERVER, is_string=True),
    _row(29, "attack-status", Kind.UINT, _SCOPE, Sender.CLIENT, UINT8, labels=ATTACK_STATUS_LABELS),
    _row(30, SIGNAL_CONFIG, Kind.MAP, (MESSAGE,), BOTH),
    _row(31, "sid", Kind.UINT, (SIGNAL_CONFIG,), Sender.SERVER, UINT32),
    _row(32, "mitigating-config", Kind.MAP, (SIGNAL_CONFIG,), BOTH),
    _row(33, "heartbeat-interval", Kind.MAP, _SETS, BOTH),
    # The IANA registry swaps 34/35 and 41/42. Implementations send the keys of Table 5.
    _row(34, "max-value", Kind.UINT, _WHOLE, Sender.SERVER, UINT16),
    _row(35, "min-value", Kind.UINT, _WHOLE, Sender.SERVER, UINT16),
    _row(36, "current-value", Kind.UINT, _WHOLE, BOTH, UINT16),
    _row(37, "missing-hb-allowed", Kind.MAP, _SETS, BOTH),
    _row(38, "max-retransmit", Kind.MAP, _SETS, BOTH),
    _row(39, "ack-timeout", Kind.MAP, _SETS, BOTH),
    _row(40, "ack-random-factor", Kind.MAP, _SETS, BOTH),
    _row(41, "max-value-decimal", Kind.DECIMAL, _FRACTION, Sender.SERVER),
    _row(42, "min-value-decimal", Kind.DECIMAL, _FRACTION, Sender.SERVER),
    _row(43, "current-value-decimal", Kind.DECIMAL, _FRACTION, BOTH),
    _row(44, "idle-config", Kind.MAP, (SIGNAL_CONFIG,), BOTH),
    _row(45, "trigger-mitigation", Kind.BOOLEAN, _SCOPE, BOTH),
    _row(46, REDIRECTED_SIGNAL, Kind.MAP, (MESSAGE,), Sender.SERVER),
    _row(47, "alt-server", Kind.TEXT, (REDIRECTED_SIGNAL,), Sender.SERVER),
    _row(48, "alt-server-record", Kind.TEXTS, (REDIRECTED_SIGNAL,), Sender.SERVER),
    _row(49, HEARTBEAT_MESSAGE, Kind.MAP, (MESSAGE,), BOTH),
    _row(50, "probing-rate", Kind.MAP, _SETS, BOTH),
    _row(51, "peer-hb-status", Kind.BOOLEAN, (HEARTBEAT_MESSAGE,), BOTH),
    # RFC 9133.
    _row(
        52,
        "activation-type",
        Kind.UINT,
        (CONTROL_ACL_LIST,),
        BOTH,
        UINT8,
        labels=ACTIVATION_TYPE_LABELS,
    ),
    _row(53, CONTROL_ACL_LIST, Kind.MAPS, _SCOPE, BOTH),
)

DRAFT_ACL_NAME_KEY: Final = 54
"""The keys of drafts of RFC 9133 for acl-name: read, never sent."""

# Drafts of RFC 9133 wrote these names inside the list with their module.
_DRAFT_NAMES: Final = {
    "ietf-dots-signal-control:acl-name": "acl-name",
    "ietf-dots-signal-control:activation-type": "activation-type",
}

BY_NAME: Final = {attribute.name: attribute for attribute in TABLE}
BY_READ_NAME: Final = BY_NAME | {written: BY_NAME[name] for written, name in _DRAFT_NAMES.items()}
BY_KEY: Final = {attribute.key: attribute for attribute in TABLE} | {
    DRAFT_ACL_NAME_KEY: BY_NAME["acl-name"]
}


def cbor_key(name: str) -> int:
    """The CBOR key of an attribute (RFC 9132 Table 5). Raises KeyError for an unknown name."""
    return BY_NAME[name].key
