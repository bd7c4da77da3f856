"""Kinds of addresses, and to which of them a server may redirect a client.

RFC 9132 section 4.6.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final


class AddressKind(StrEnum):
    """A server that redirects us to a kind of address it does not itself have may be using us to
    attack someone.
    """

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "shared"
    "behind a carrier's NAT (RFC 6598)"
    LINK_LOCAL = "link-local"
    LOOPBACK = "loopback"
    METADATA = "metadata"
    "the metadata services of clouds, which hand out credentials"
    MULTICAST = "multicast"
    UNUSABLE = "unusable"
    "unspecified, reserved, or not an address"


_KINDS: Final = [
    (ip_network(network), kind)
    for kind, networks in (
        (
            AddressKind.METADATA,
            ("169.254.169.254/32", "169.254.170.2/32", "fd00:ec2::254/128", "100.100.100.200/32",
            "168.63.129.16/32", "192.0.0.192/32"),
        ),
        (AddressKind.LOOPBACK, ("127.0.0.0/8", "::1/128")),
        (AddressKind.LINK_LOCAL, ("169.254.0.0/16", "fe80::/10")),
        (AddressKind.PRIVATE, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
        "fec0::/10", "64:ff9b:1::/48")),
        (AddressKind.SHARED, ("100.64.0.0/10",)),
        (AddressKind.MULTICAST, ("224.0.0.0/4", "ff00::/8")),
        (AddressKind.UNUSABLE, ("0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
        "::/128", "100::/64")),
    )
    for network in networks
]  # fmt: skip
"""The first network that contains an address decides."""

_EMBEDDING: Final = (
    # network, and the bits below the embedded IPv4 address
    (ip_network("::ffff:0:0/96"), 0),  # mapped (RFC 4291)
    (ip_network("::ffff:0:0:0/96"), 0),  # translated (RFC 2765)
    (ip_network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (ip_network("2002::/16"), 80),  # 6to4 (RFC 3056)
    (ip_network("::/96"), 0),  # compatible (RFC 4291)
)
_TEREDO: Final = ip_network("2001::/32")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def address_kind(address: str) -> AddressKind:
    """The kind of `address`. An IPv6 address that embeds an IPv4 address has the kind of that."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return AddressKind.UNUSABLE
    own = _kind(parsed)
    if own is not AddressKind.PUBLIC or isinstance(parsed, IPv4Address):
        return own
    embedded = _embedded(parsed)
    return AddressKind.PUBLIC if embedded is None else _kind(embedded)


def allowed_alternates(
    addresses: Iterable[str], *, provisioned_kinds: Collection[AddressKind]
) -> tuple[str, ...]:
    """The usable addresses: public ones, and those of kinds that the provisioned server has."""
    return tuple(
        one for one in addresses if address_kind(one) in {AddressKind.PUBLIC, *provisioned_kinds}
    )


def _kind(address: IPv4Address | IPv6Address) -> AddressKind:
    for network, kind in _KINDS:
        if address in network:
            return kind
    return AddressKind.PUBLIC


def _embedded(address: IPv6Address) -> IPv4Address | None:
    bits = int(address)
    for network, shift in _EMBEDDING:
        if address in network:
            return IPv4Address(bits >> shift & 0xFFFFFFFF)
    if address in _TEREDO:
        # The client's address with every bit inverted (RFC 4380).
        return IPv4Address(~bits & 0xFFFFFFFF)
    if bits >> 32 & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(bits & 0xFFFFFFFF)
    return None
