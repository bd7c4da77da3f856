"""The results of parsing: a target, or a code with parameters and suggestions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
PortRange = tuple[int, int]
"""Lower and upper port, 0-65535; equal for a single port."""

MAX_TARGET_LENGTH: Final = 255
"""Maximum characters of a target in normal form, and of a target in the API."""
MAX_SUGGESTED: Final = 32
"""Maximum targets in one suggestion: as many as fit into one request."""


class Kind(StrEnum):
    """The kind of a target. The values are the same as for a protected resource."""

    PREFIX = "prefix"
    FQDN = "fqdn"
    URI = "uri"


class Code(StrEnum):
    """Why text is not a valid target or port. Stable, because the API returns it."""

    EMPTY = "empty"
    TOO_LONG = "too-long"
    ODD_CHARACTERS = "odd-characters"
    SEVERAL = "several-targets"
    OTHER_KIND = "other-kind"
    NOT_A_PREFIX = "not-a-prefix"
    HOST_BITS_SET = "host-bits-set"
    NOT_PROTECTABLE = "not-protectable"
    NOT_SENDABLE = "not-sendable"
    ZERO_PADDED = "zero-padded"
    NUMBER_FORM = "number-form"
    SHORT_ADDRESS = "short-address"
    WILDCARD = "wildcard"
    COMMAS = "commas"
    BACKSLASH = "backslash"
    ZONE = "zone"
    NOT_A_MASK = "not-a-mask"
    RANGE = "range"
    REVERSED_RANGE = "reversed-range"
    MIXED_RANGE = "mixed-range"
    TOO_MANY_PREFIXES = "too-many-prefixes"
    HAS_A_PORT = "has-a-port"
    HAS_A_PATH = "has-a-path"
    NOT_A_NAME = "not-a-name"
    ONE_LABEL = "one-label"
    LAST_LABEL_IS_A_NUMBER = "last-label-is-a-number"
    EMPTY_LABEL = "empty-label"
    NOT_IDNA = "not-idna"
    WILDCARD_NAME = "wildcard-name"
    MAIL_ADDRESS = "mail-address"
    AS_NUMBER = "as-number"
    NOT_A_URI = "not-a-uri"
    UNKNOWN_SCHEME = "unknown-scheme"
    NOT_ASCII = "not-ascii"
    NOT_A_HOST = "not-a-host"
    NOT_A_PORT = "not-a-port"
    HAS_A_PROTOCOL = "has-a-protocol"
    ANY_AND_MORE = "any-and-more"
    NOT_A_PROTOCOL = "not-a-protocol"


@dataclass(frozen=True, slots=True)
class Target:
    """One target in normal form."""

    kind: Kind
    value: str
    """CIDR with prefix length, an A-label name in lower case without a final dot, or an
    absolute ASCII URI
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A replacement for refused text."""

    targets: tuple[Target, ...] = ()
    ports: tuple[PortRange, ...] = ()
    protocols: tuple[int, ...] = ()
    "IANA protocol numbers"


class TargetError(ValueError):
    """Refused text. `text` is all of it, or the part that is wrong."""

    def __init__(
        self, code: Code, text: str, suggestions: Iterable[Suggestion] = (), **parameters: str | int
    ) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.suggestions = tuple(suggestions)
        self.parameters = parameters
