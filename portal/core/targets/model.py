"""Targets as values, and the results of parsing them: a target, or a code with parameters and
suggestions.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_network
from typing import Final

from portal.core.targets.networks import IPNetwork, contains, overlap

MAX_TARGET_LENGTH: Final = 255
"""Maximum characters of a target in normal form, and of a target in the API."""
MAX_PORT: Final = 65535
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
    value: IPNetwork | str
    """a network, an A-label name in lower case without a final dot, or an absolute ASCII URI; the
    text of a prefix that could not be read
    """

    @classmethod
    def saved(cls, kind: str, text: str) -> Target:
        """From the text of a target that was checked before.

        A prefix that today's rules cannot read stays text: `why_not` says why.
        """
        value: IPNetwork | str = text
        if kind == Kind.PREFIX:
            with suppress(ValueError):
                value = ip_network(text)
        return cls(Kind(kind), value)

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The targets of a request, each kind in order and without duplicates."""

    prefixes: tuple[IPNetwork, ...] = ()
    fqdns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()

    @classmethod
    def of(cls, targets: Iterable[Target]) -> Targets:
        """Those that can be protected: without prefixes that could not be read."""
        prefixes: dict[IPNetwork, None] = {}
        names: dict[Kind, dict[str, None]] = {Kind.FQDN: {}, Kind.URI: {}}
        for target in targets:
            if not isinstance(target.value, str):
                prefixes[target.value] = None
            elif target.kind != Kind.PREFIX:
                names[target.kind][target.value] = None
        return cls(
            prefixes=tuple(prefixes),
            fqdns=tuple(names[Kind.FQDN]),
            uris=tuple(names[Kind.URI]),
        )

    @classmethod
    def saved(
        cls, *, prefixes: Iterable[str] = (), fqdns: Iterable[str] = (), uris: Iterable[str] = ()
    ) -> Targets:
        """From the texts of targets that were checked before."""
        return cls(prefixes=tuple(map(ip_network, prefixes)), fqdns=tuple(fqdns), uris=tuple(uris))

    @classmethod
    def union(cls, several: Iterable[Targets]) -> Targets:
        """All their targets in order, without prefixes that lie inside another."""
        all_of = tuple(several)
        networks = tuple(dict.fromkeys(one for each in all_of for one in each.prefixes))
        return cls(
            prefixes=tuple(
                one
                for one in networks
                if not any(other != one and contains(other, one) for other in networks)
            ),
            fqdns=tuple(dict.fromkeys(one for each in all_of for one in each.fqdns)),
            uris=tuple(dict.fromkeys(one for each in all_of for one in each.uris)),
        )

    def __len__(self) -> int:
        return len(self.prefixes) + len(self.fqdns) + len(self.uris)

    def __iter__(self) -> Iterator[Target]:
        """Addresses, then names, then URIs."""
        yield from (Target(Kind.PREFIX, one) for one in self.prefixes)
        yield from (Target(Kind.FQDN, one) for one in self.fqdns)
        yield from (Target(Kind.URI, one) for one in self.uris)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Each as text, addresses in CIDR form."""
        # Made once: the text of an IPv6 network takes 10 µs, and failover looks up each target in
        # each mitigation.
        return (*map(str, self.prefixes), *self.fqdns, *self.uris)

    def shares_with(self, other: Targets) -> bool:
        """Whether any address, name or URI is in both."""
        return (
            any(overlap(own, another) for own in self.prefixes for another in other.prefixes)
            or not set(self.fqdns).isdisjoint(other.fqdns)
            or not set(self.uris).isdisjoint(other.uris)
        )

    def without(self, texts: Container[str]) -> Targets:
        """The targets other than these, given as in `texts`."""
        return Targets.of(one for one in self if str(one) not in texts)


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Ports from `lower` to `upper`, inclusive; equal for a single port.

    0-65535 once they are checked: typed ones may be larger, or reversed.
    """

    lower: int
    upper: int

    @property
    def is_valid(self) -> bool:
        return 0 <= self.lower <= self.upper <= MAX_PORT


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
