"""What comes of reading: a target, or a code with parameters and suggestions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
PortRange = tuple[int, int]
"""Lower and upper port, 0-65535; the same for one port."""

MAX_TARGET_LENGTH: Final = 255
"""Characters of a target in normal form, and of one in the API."""
MAX_SUGGESTED: Final = 32
"""Targets of one suggestion: as many as fit one request."""


class Kind(StrEnum):
    """What a target is; the values are those of a protected resource."""

    PREFIX = "prefix"
    FQDN = "fqdn"
    URI = "uri"


class Code(StrEnum):
    """Why text is no target, or no port. Stable: the API answers with it."""

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
    "CIDR with its length, an A-label name in lower case without the final dot, or an absolute ASCII URI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What to use in place of text that is refused."""

    targets: tuple[Target, ...] = ()
    ports: tuple[PortRange, ...] = ()
    protocols: tuple[int, ...] = ()
    "IANA protocol numbers"


class TargetError(ValueError):
    """Text that is refused. `text` is what was typed, or the part of it that is wrong."""

    def __init__(
        self, code: Code, text: str, suggestions: Iterable[Suggestion] = (), **parameters: str | int
    ) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.suggestions = tuple(suggestions)
        self.parameters = parameters
