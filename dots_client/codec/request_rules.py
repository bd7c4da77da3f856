"""The rules of RFC 9132 section 4.4.1.1 for a mitigation request, beyond types and ranges.

The same checks apply to a client that sends and a server that accepts. `dots_client.rules` is the
public entry point.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

from dots_client.codec.cbor import Tree
from dots_client.codec.keys import CONTROL_ACL_LIST

FORBIDDEN_NETWORKS: Final[tuple[tuple[str, IPv4Network | IPv6Network], ...]] = (
    ("loopback", IPv4Network("127.0.0.0/8")),
    ("multicast", IPv4Network("224.0.0.0/4")),
    ("broadcast", IPv4Network("255.255.255.255/32")),
    ("loopback", IPv6Network("::1/128")),
    ("IPv4-mapped", IPv6Network("::ffff:0:0/96")),
    ("multicast", IPv6Network("ff00::/8")),
)

TARGET_NAMES: Final = ("target-prefix", "target-fqdn", "target-uri", "alias-name")
"""A request needs at least one of these (RFC 9132 section 4.4.1.1)."""

MAX_REMEMBERED_PREFIXES: Final = 1024
MAX_DOMAIN_NAME: Final = 253
# The pattern of domain-name in RFC 6991 section 4, without the bare root ".".
DOMAIN_NAME: Final = re.compile(
    r"(?:[a-zA-Z0-9_](?:[a-zA-Z0-9\-_]{0,61}[a-zA-Z0-9])?\.)*"
    r"[a-zA-Z0-9_](?:[a-zA-Z0-9\-_]{0,61}[a-zA-Z0-9])?\.?"
)


class Rule(StrEnum):
    """The rule that a request breaks."""

    NO_TARGET = "no-target"
    NOT_A_PREFIX = "not-a-prefix"
    FORBIDDEN_NETWORK = "forbidden-network"
    NOT_A_NAME = "not-a-name"
    NOT_A_URI = "not-a-uri"
    REVERSED_RANGE = "upside-down"
    REPEATED = "repeated"
    MISSING = "missing"
    NOT_A_LIFETIME = "not-a-lifetime"
    OUT_OF_PLACE = "out-of-place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violation of a rule in a mitigation request."""

    rule: Rule
    reason: str
    "as text"
    attribute: str = ""
    "the attribute of the `scope` entry, such as target-prefix; empty for the entry itself"
    index: int | None = None
    "the index in the list of that attribute"
    member: str = ""
    "the member of the list entry, such as upper-port"

    @property
    def path(self) -> str:
        """The path below the `scope` entry, such as target-port-range[1].upper-port."""
        place = "" if self.index is None else f"[{self.index}]"
        return f"{self.attribute}{place}{f'.{self.member}' if self.member else ''}"


def tree_violations(scope: Tree, *, lifetime_is_mandatory: bool = True) -> Iterator[Violation]:
    """Every violation in a `scope` entry."""
    if not any(name in scope for name in TARGET_NAMES):
        yield Violation(
            rule=Rule.NO_TARGET, reason=f"needs at least one of {', '.join(TARGET_NAMES)}"
        )
    for name, check in (
        ("target-prefix", prefix_violation),
        ("target-fqdn", fqdn_violation),
        ("target-uri", uri_violation),
    ):
        for index, text in enumerate(scope.get(name, ())):
            if violation := check(text, index=index):
                yield violation
    yield from _port_violations(scope.get("target-port-range", ()))
    yield from _filter_violations(scope)
    for name in (*TARGET_NAMES, "target-protocol"):
        yield from _repetitions(scope.get(name, ()), name)
    if scope.get("lifetime") == 0:
        yield Violation(
            rule=Rule.NOT_A_LIFETIME, attribute="lifetime", reason="0 is not a lifetime"
        )
    if lifetime_is_mandatory and "lifetime" not in scope:
        yield Violation(rule=Rule.MISSING, attribute="lifetime", reason="is missing")


def prefix_violation(text: str, *, index: int | None = None) -> Violation | None:
    """Why `text` must not be a target-prefix; None if it may."""
    if (broken := _broken_rule(text)) is None:
        return None
    rule, reason = broken
    return Violation(rule=rule, attribute="target-prefix", index=index, reason=reason)


# Each copy of a request is encoded, and its size computed before it is saved, all with the same
# prefixes.
@lru_cache(maxsize=MAX_REMEMBERED_PREFIXES)
def _broken_rule(prefix: str) -> tuple[Rule, str] | None:
    address, _, length = prefix.partition("/")
    if not (length.isascii() and length.isdigit()) or "%" in address:
        reason = f"{prefix!r} is not a prefix like 192.0.2.0/24 or 2001:db8::/32"
        return Rule.NOT_A_PREFIX, reason
    try:
        network = ip_network(prefix)
    except ValueError as error:
        return Rule.NOT_A_PREFIX, str(error)
    if forbidden := forbidden_networks(network):
        what, _ = forbidden[0]
        return Rule.FORBIDDEN_NETWORK, f"{prefix} has {what} addresses in it"
    return None


def forbidden_networks(
    network: IPv4Network | IPv6Network,
) -> tuple[tuple[str, IPv4Network | IPv6Network], ...]:
    """The forbidden kinds in `network`, such as "loopback", each with the network of its kind."""
    return tuple(
        (what, forbidden)
        for what, forbidden in FORBIDDEN_NETWORKS
        if network.version == forbidden.version and network.overlaps(forbidden)
    )


def fqdn_violation(text: str, *, index: int | None = None) -> Violation | None:
    """Why `text` must not be a target-fqdn; None if it may."""
    if len(text) <= MAX_DOMAIN_NAME and DOMAIN_NAME.fullmatch(text):
        return None
    reason = f"{text!r} is not a domain name"
    return Violation(rule=Rule.NOT_A_NAME, attribute="target-fqdn", index=index, reason=reason)


def is_address(text: str) -> bool:
    """Whether `text` is an IP address, without a scope as in fe80::1%eth0."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def uri_violation(text: str, *, index: int | None = None) -> Violation | None:
    """Why `text` must not be a target-uri; None if it may."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError for an invalid one
        is_absolute = bool(parts.scheme and parts.hostname)
    except ValueError:
        is_absolute = False
    if is_absolute and text.isascii() and text.isprintable() and " " not in text:
        return None
    reason = f"{text!r} is not a URI with a scheme and a host"
    return Violation(rule=Rule.NOT_A_URI, attribute="target-uri", index=index, reason=reason)


def _port_violations(ranges: Sequence[Tree]) -> Iterator[Violation]:
    name = "target-port-range"
    for index, ports in enumerate(ranges):
        if "lower-port" not in ports:
            yield Violation(
                rule=Rule.MISSING, attribute=name, index=index, member="lower-port",
                reason="is missing",
            )  # fmt: skip
        elif ports.get("upper-port", ports["lower-port"]) < ports["lower-port"]:
            yield Violation(
                rule=Rule.REVERSED_RANGE, attribute=name, index=index, member="upper-port",
                reason="is below lower-port",
            )  # fmt: skip
    # The YANG list has lower-port as its key.
    yield from _repetitions([ports.get("lower-port") for ports in ranges], name)


def _filter_violations(scope: Tree) -> Iterator[Violation]:
    filters: Sequence[Tree] = scope.get(CONTROL_ACL_LIST, ())
    name = CONTROL_ACL_LIST.rpartition(":")[2]
    if filters and "attack-status" in scope:
        # RFC 9133 section 3.2.1
        reason = "does not belong in an efficacy update"
        yield Violation(rule=Rule.OUT_OF_PLACE, attribute=name, reason=reason)
    for index, entry in enumerate(filters):
        if "acl-name" not in entry:
            yield Violation(
                rule=Rule.MISSING, attribute=name, index=index, member="acl-name",
                reason="is missing",
            )  # fmt: skip
    yield from _repetitions([entry.get("acl-name") for entry in filters], name)


def _repetitions(values: Sequence[Hashable], attribute: str) -> Iterator[Violation]:
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if value is not None and value in seen:
            reason = f"{value} occurs twice"
            yield Violation(rule=Rule.REPEATED, attribute=attribute, index=index, reason=reason)
        seen.add(value)
