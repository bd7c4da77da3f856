"""A call to a URL that a customer chose. The portal resolves its name once, checks every address,
and connects to that address, so that a second answer of the customer's DNS cannot send it
elsewhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Final
from urllib.parse import urlsplit

from portal.ownership.dns_proof import addresses_of, resolver_of
from portal.ownership.evidence import Network, configured_network, is_public
from portal.ownership.http_exchange import HttpAnswer, HttpCall, exchange

PORTS: Final = {"https": 443, "http": 80}


class AddressRefusedError(Exception):
    """The portal may not contact this address. Its text is the scheme and the address."""


class NoAddressError(Exception):
    """The name has no address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlCall:
    """What to send, and where to."""

    method: str = "POST"
    url: str
    "with the scheme https or http and a host"
    headers: Sequence[tuple[str, str]] = ()
    "without Host and Content-Length"
    body: bytes = b""


def network_with(allowed: Sequence[IPv4Network | IPv6Network]) -> Network:
    """The public internet, and the networks that the operator allows beside it."""

    def may_ask(address: str) -> bool:
        return is_public(address) or any(ipaddress.ip_address(address) in one for one in allowed)

    return replace(configured_network(), may_ask=may_ask)


def literal_address(host: str) -> str | None:
    """The address, if `host` is one and no name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def may_contact(scheme: str, address: str, network: Network) -> bool:
    """Without TLS only the machine itself, and only if the operator allows its addresses."""
    is_safe = scheme == "https" or ipaddress.ip_address(address).is_loopback
    return is_safe and network.may_ask(address)


async def send_to(call: UrlCall, network: Network, *, max_body: int) -> HttpAnswer:
    """Raises AddressRefusedError and NoAddressError beside what `exchange` raises. The caller
    limits the time.
    """
    url = urlsplit(call.url)
    host = url.hostname or ""
    address = await _address_of(host, network)
    if not may_contact(url.scheme, address, network):
        raise AddressRefusedError(f"{url.scheme}://{address}")
    sized = [("Content-Length", str(len(call.body)))] if call.body else []
    return await exchange(
        HttpCall(
            method=call.method,
            host=host,
            address=address,
            port=url.port or PORTS[url.scheme],
            target=f"{url.path or '/'}{'?' if url.query else ''}{url.query}",
            headers=[("Host", url.netloc.rpartition("@")[2]), *sized, *call.headers],
            body=call.body,
            tls=network.tls() if url.scheme == "https" else None,
        ),
        max_body=max_body,
    )


async def _address_of(host: str, network: Network) -> str:
    literal = literal_address(host)
    if literal is not None:
        return literal
    found = await addresses_of(f"{host}.", resolver_of(network))
    if not found:
        raise NoAddressError
    # One address decides for all: the others are for servers that are down.
    refused = [one for one in found if not network.may_ask(one)]
    return refused[0] if refused else found[0]
