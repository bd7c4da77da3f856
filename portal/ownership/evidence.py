"""What a check found, and which servers it may ask. Plain values."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from django.conf import settings

from portal.ownership.states import ProofResult

MAX_DETAIL_LENGTH: Final = 200
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one server said about one place."""

    place: str
    "the name or URL"
    server: str
    "its name and address; the portal's resolver if that found none"
    result: ProofResult
    detail: str = ""
    "for people who know DNS and HTTP: a response code, a status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What all servers together say."""

    result: ProofResult
    findings: tuple[Finding, ...] = ()
    is_signed: bool | None = None
    "the resolver validated the answer by DNSSEC; None: not asked, as nothing was found"


def is_public(address: str) -> bool:
    """Whether the portal may send a packet to an address that a customer chose: not to private,
    loopback, link-local and other special networks, however they are written.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in (parsed, *_embedded(parsed)))


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses to which a gateway may translate an IPv6 address."""
    if isinstance(address, IPv4Address):
        return []
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
    found = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()), nat64)
    return [one for one in found if one is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The world outside, as a check may see it."""

    resolvers: Sequence[tuple[str, int]] = ()
    "address and port of the portal's own recursive resolvers; empty: those of the system"
    dns_port: int = 53
    http_port: int = 80
    https_port: int = 443
    may_ask: Callable[[str], bool] = is_public
    tls: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context)


def configured_network() -> Network:
    """As PORTAL_DNS_SERVERS says."""
    return Network(resolvers=settings.PORTAL_DNS_SERVERS)
