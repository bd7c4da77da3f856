"""What can be a target: parsing and containment, as pure functions with sentences for people."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from portal.core.errors import Fix

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_TARGET_LENGTH: Final = 255
_SHOWN_LENGTH: Final = 60
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_URI_SCHEMES: Final = ("http", "https", "coap", "coaps", "sip", "sips", "dns", "ws", "wss")


class TargetError(ValueError):
    """Not a target: `code` for programs, the message for people, `fixes` that would do."""

    def __init__(self, code: str, message: str, fixes: tuple[Fix, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fixes = fixes


def shown(text: str) -> str:
    """`text` as it may stand in a sentence: printable and short."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean if len(clean) <= _SHOWN_LENGTH else f"{clean[:_SHOWN_LENGTH]}…"


def parse_prefix(text: str) -> IPNetwork:
    """A network in CIDR form; a bare address is itself. Host bits are refused with both ways out."""
    address, slash, length = text.partition("/")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise TargetError("not-a-prefix", _why_no_prefix(text, address, length)) from None
    if slash and not length.isdigit():
        raise TargetError("not-a-prefix", f"{shown(text)}: write the length after / as a number.")
    if isinstance(network, ipaddress.IPv6Network) and "%" in text:
        raise TargetError(
            "not-a-prefix", f"{shown(text)} names an interface. Leave out the % part."
        )
    host = ipaddress.ip_address(address)
    if host != network.network_address:
        count = network.num_addresses
        every = f"All {count} of {network}" if count <= 65536 else f"All of {network}"
        raise TargetError(
            "host-bits-set",
            f"{shown(text)} is not a network address: the part after /{network.prefixlen} "
            "must be zero. Which did you mean?",
            (
                Fix(label=f"Only {host}", value=f"{host}/{host.max_prefixlen}"),
                Fix(label=every, value=str(network)),
            ),
        )
    kind = _unprotectable(network)
    if kind:
        raise TargetError("not-protectable", f"{shown(text)} cannot be protected: it is {kind}.")
    return network


def _why_no_prefix(text: str, address: str, length: str) -> str:
    octets = address.split(".")
    if len(octets) == 4 and all(octet.isdigit() for octet in octets):
        too_large = next((octet for octet in octets if int(octet[:9]) > 255), None)
        if too_large:
            return f"{shown(text)} is not an address: {shown(too_large)} is more than 255."
        if length.isdigit() and int(length[:9]) > 32:
            return f"{shown(text)} is not a prefix: /{shown(length)} is more than 32."
    if ":" in address and length.isdigit() and int(length[:9]) > 128:
        return f"{shown(text)} is not a prefix: /{shown(length)} is more than 128."
    return (
        f"{shown(text)} is not an address or prefix. Write it like 203.0.113.7 or 203.0.113.0/24."
    )


def _unprotectable(network: IPNetwork) -> str | None:
    if network.is_loopback:
        return "a loopback address"
    if network.is_multicast:
        return "a multicast address"
    if network.is_unspecified or network.prefixlen == 0:
        return "every address"
    if str(network.network_address) == "255.255.255.255":
        return "the broadcast address"
    if network.is_link_local:
        return "a link-local address"
    return None


def parse_fqdn(text: str) -> str:
    """A domain name in lower case and A-label form, without the final dot."""
    name = text.rstrip(".").lower()
    try:
        ascii_name = name.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_name = ""
    labels = ascii_name.split(".")
    if len(ascii_name) > 253 or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise TargetError(
            "not-a-name", f"{shown(text)} is not a name. Write it like shop.example.com."
        )
    return ascii_name


def parse_uri(text: str) -> str:
    """An absolute URI with a host."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
        has_port = parts.port is not None or not parts.netloc.endswith(":")
    except ValueError:
        host, has_port = None, False
    if (
        not host
        or not has_port
        or parts.scheme not in _URI_SCHEMES
        or not text.isascii()
        or " " in text
    ):
        raise TargetError(
            "not-a-uri",
            f"{shown(text)} is not a web address. Write it like https://shop.example.com/.",
        )
    return text


def uri_host(uri: str) -> str:
    return (urlsplit(uri).hostname or "").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """What an organization may ask protection for: its verified resources."""

    networks: tuple[IPNetwork, ...] = ()
    names: tuple[str, ...] = ()
    uris: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, resources: Iterable[tuple[str, str]]) -> Territory:
        """From pairs of kind (prefix, fqdn, uri) and value."""
        by_kind: dict[str, list[str]] = {"prefix": [], "fqdn": [], "uri": []}
        for kind, value in resources:
            by_kind[kind].append(value)
        return cls(
            networks=tuple(ipaddress.ip_network(value) for value in by_kind["prefix"]),
            names=tuple(by_kind["fqdn"]),
            uris=tuple(by_kind["uri"]),
        )

    def has_network(self, network: IPNetwork) -> bool:
        return any(contains(own, network) for own in self.networks)

    def has_name(self, name: str) -> bool:
        return any(name == own or name.endswith(f".{own}") for own in self.names)

    def has_uri(self, uri: str) -> bool:
        if uri in self.uris:
            return True
        host = uri_host(uri)
        try:
            return self.has_network(ipaddress.ip_network(host))
        except ValueError:
            return self.has_name(host)


def contains(outer: IPNetwork, inner: IPNetwork) -> bool:
    """Whether every address of `inner` is in `outer`; never across the two versions of IP."""
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return contains(one, other) or contains(other, one)


def classify(text: str) -> str:
    """prefix, uri or fqdn: what a person most likely meant."""
    if "://" in text:
        return "uri"
    if ":" in text or re.fullmatch(r"[0-9./]+", text) or "/" in text:
        return "prefix"
    return "fqdn"
