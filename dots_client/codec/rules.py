"""What RFC 9132 section 4.4.1.1 demands of a mitigation request beyond types.

The same checks guard what a client sends and what a server accepts.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from urllib.parse import urlsplit

from dots_client.codec.cbor import Tree, join
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
"""At least one of these must be there (RFC 9132 section 4.4.1.1)."""

MAX_DOMAIN_NAME: Final = 253
# The pattern of domain-name in RFC 6991 section 4, without the bare root ".".
DOMAIN_NAME: Final = re.compile(
    r"(?:[a-zA-Z0-9_](?:[a-zA-Z0-9\-_]{0,61}[a-zA-Z0-9])?\.)*"
    r"[a-zA-Z0-9_](?:[a-zA-Z0-9\-_]{0,61}[a-zA-Z0-9])?\.?"
)

Violation = tuple[str, str]
"""Path of the attribute, and what is wrong with it."""


def violations(
    scope: Tree, path: str, *, lifetime_is_mandatory: bool = True
) -> Iterator[Violation]:
    """Everything in this `scope` entry that a mitigation request must not hold."""
    if not any(name in scope for name in TARGET_NAMES):
        yield path, f"needs at least one of {', '.join(TARGET_NAMES)}"
    for name, check in (
        ("target-prefix", prefix_violation),
        ("target-fqdn", fqdn_violation),
        ("target-uri", uri_violation),
    ):
        for index, text in enumerate(scope.get(name, ())):
            if reason := check(text):
                yield f"{join(path, name)}[{index}]", reason
    yield from _port_violations(scope.get("target-port-range", ()), join(path, "target-port-range"))
    yield from _filter_violations(scope, join(path, CONTROL_ACL_LIST))
    for name in (*TARGET_NAMES, "target-protocol"):
        yield from _repetitions(scope.get(name, ()), join(path, name))
    if scope.get("lifetime") == 0:
        yield join(path, "lifetime"), "0 is not a lifetime"
    if lifetime_is_mandatory and "lifetime" not in scope:
        yield join(path, "lifetime"), "is missing"


def prefix_violation(text: str) -> str | None:
    """Why `text` must not be a target-prefix, or None."""
    address, _, length = text.partition("/")
    if not (length.isascii() and length.isdigit()) or "%" in address:
        return f"{text!r} is not a prefix like 192.0.2.0/24 or 2001:db8::/32"
    try:
        network = ip_network(text)
    except ValueError as error:
        return str(error)
    for what, forbidden in FORBIDDEN_NETWORKS:
        if network.version == forbidden.version and network.overlaps(forbidden):
            return f"{text} has {what} addresses in it"
    return None


def fqdn_violation(text: str) -> str | None:
    """Why `text` must not be a target-fqdn, or None."""
    if len(text) > MAX_DOMAIN_NAME or not DOMAIN_NAME.fullmatch(text):
        return f"{text!r} is not a domain name"
    return None


def uri_violation(text: str) -> str | None:
    """Why `text` must not be a target-uri, or None."""
    try:
        parts = urlsplit(text)
        is_absolute = bool(parts.scheme and parts.hostname) and (
            parts.port is None or parts.port >= 0
        )
    except ValueError:
        is_absolute = False
    if not is_absolute or not text.isascii() or not text.isprintable() or " " in text:
        return f"{text!r} is not a URI with a scheme and a host"
    return None


def _port_violations(ranges: Sequence[Tree], path: str) -> Iterator[Violation]:
    for index, ports in enumerate(ranges):
        at = f"{path}[{index}]"
        if "lower-port" not in ports:
            yield join(at, "lower-port"), "is missing"
        elif ports.get("upper-port", ports["lower-port"]) < ports["lower-port"]:
            yield join(at, "upper-port"), "is below lower-port"
    # The YANG list has lower-port as its key.
    yield from _repetitions([ports.get("lower-port") for ports in ranges], path)


def _filter_violations(scope: Tree, path: str) -> Iterator[Violation]:
    filters: Sequence[Tree] = scope.get(CONTROL_ACL_LIST, ())
    if filters and "attack-status" in scope:
        yield path, "does not belong in an efficacy update"  # RFC 9133 section 3.2.1
    for index, entry in enumerate(filters):
        if "acl-name" not in entry:
            yield join(f"{path}[{index}]", "acl-name"), "is missing"
    yield from _repetitions([entry.get("acl-name") for entry in filters], path)


def _repetitions(values: Sequence[Hashable], path: str) -> Iterator[Violation]:
    for index, value in enumerate(values):
        if value is not None and value in values[:index]:
            yield f"{path}[{index}]", f"{value} is there twice"
