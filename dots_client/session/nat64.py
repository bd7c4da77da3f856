"""Reach IPv4 addresses from a network without IPv4, through NAT64.

RFC 6052, RFC 8305 section 7.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

WELL_KNOWN_PREFIX: Final = IPv6Address("64:ff9b::")
"""Of 96 bits."""


def synthesize(address: str) -> str | None:
    """The IPv4-embedded IPv6 address of a public IPv4 address; None for any other text.

    The well-known prefix must not carry addresses that are not global (RFC 6052 section 3.1).
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    if not isinstance(parsed, IPv4Address) or not parsed.is_global:
        return None
    return str(IPv6Address(int(WELL_KNOWN_PREFIX) | int(parsed)))


def with_nat64(addresses: Iterable[str], *, has_route: Callable[[str], bool]) -> tuple[str, ...]:
    """`addresses`, with each IPv4 address that only NAT64 can reach synthesized."""
    return tuple(_with_nat64(address, has_route=has_route) for address in addresses)


def _with_nat64(address: str, *, has_route: Callable[[str], bool]) -> str:
    replacement = synthesize(address)
    if replacement is None or has_route(address) or not has_route(replacement):
        return address
    return replacement
