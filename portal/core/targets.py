"""Valid targets: parsing and containment, as pure functions with sentences for people.

The client can send every target that parses here, because its own rules make the final check.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import idna

from dots_client.rules import forbidden_networks, fqdn_violation, prefix_violation, uri_violation
from portal.core.errors import Fix

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_TARGET_LENGTH: Final = 255
_SHOWN_LENGTH: Final = 60
_LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_URI_SCHEMES: Final = ("http", "https", "coap", "coaps", "sip", "sips", "dns", "ws", "wss")
_URI_CHARACTERS: Final = re.compile(r"(?:[\w\-.~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+", re.ASCII)
"""RFC 3986 section 2."""
_JOINERS: Final = "\u200c\u200d"
"""Invisible, but letters of some names (RFC 5892 appendix A)."""
_KINDS: Final[Mapping[str, str]] = {
    "loopback": "a loopback address",
    "multicast": "a multicast address",
    "broadcast": "the broadcast address",
    "IPv4-mapped": "an IPv4 address written as IPv6",
}
_CONTAINED: Final[Mapping[str, str]] = {
    "loopback": "loopback addresses",
    "multicast": "multicast addresses",
    "broadcast": "the broadcast address",
    "IPv4-mapped": "IPv4 addresses written as IPv6",
}


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


def visible(text: str) -> str:
    """`text` without the invisible characters that pastes from wikis, chats and mails contain."""
    kept = (char for char in text if unicodedata.category(char) != "Cf" or char in _JOINERS)
    return "".join(kept).strip()


def parse_target(kind: str, text: str) -> str:
    """A target of `kind` (prefix, fqdn, uri) in normal form; TargetError if no provider can be asked for it."""
    return str(_PARSERS[kind](text))


def why_not(kind: str, value: str) -> TargetError | None:
    """Why a target accepted earlier cannot be asked for now; None when it can."""
    try:
        parse_target(kind, value)
    except TargetError as error:
        return error
    return None


def parse_prefix(text: str) -> IPNetwork:
    """A network in CIDR form; a bare address is itself. Host bits are refused with both ways out."""
    text = visible(text)
    address, slash, length = text.partition("/")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise TargetError("not-a-prefix", _why_no_prefix(text, address, length)) from None
    if slash and not _is_number(length):
        raise TargetError("not-a-prefix", f"{shown(text)}: write the length after / as a number.")
    if isinstance(network, ipaddress.IPv6Network) and "%" in text:
        raise TargetError(
            "not-a-prefix", f"{shown(text)} names an interface. Leave out the % part."
        )
    host = ipaddress.ip_address(address)
    if host != network.network_address:
        count = network.num_addresses
        every = f"All {count} of {network}" if count <= 65536 else f"All of {network}"
        meant = ((f"Only {host}", ipaddress.ip_network(host)), (every, network))
        raise TargetError(
            "host-bits-set",
            f"{shown(text)} is not a network address: the part after /{network.prefixlen} "
            "must be zero. Which did you mean?",
            tuple(Fix(label, str(one)) for label, one in meant if not _unprotectable(one)),
        )
    why = _unprotectable(network)
    if why:
        message = f"{shown(text)} cannot be protected: {why}."
        raise TargetError("not-protectable", message, _as_ipv4(network))
    if violation := prefix_violation(str(network)):
        raise TargetError(violation.rule, f"{shown(text)} cannot be protected: {violation.reason}.")
    return network


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _why_no_prefix(text: str, address: str, length: str) -> str:
    octets = address.split(".")
    if len(octets) == 4 and all(map(_is_number, octets)):
        too_large = next((octet for octet in octets if int(octet[:9]) > 255), None)
        if too_large:
            return f"{shown(text)} is not an address: {shown(too_large)} is more than 255."
        if _is_number(length) and int(length[:9]) > 32:
            return f"{shown(text)} is not a prefix: /{shown(length)} is more than 32."
    if ":" in address and _is_number(length) and int(length[:9]) > 128:
        return f"{shown(text)} is not a prefix: /{shown(length)} is more than 128."
    return (
        f"{shown(text)} is not an address or prefix. Write it like 203.0.113.7 or 203.0.113.0/24."
    )


def _unprotectable(network: IPNetwork) -> str:
    """A clause on why no provider may be asked for it; empty when one may."""
    if network.is_unspecified or network.prefixlen == 0:
        return "it is every address"
    if network.is_link_local:
        return "it is a link-local address"
    for kind, forbidden in forbidden_networks(network):
        if contains(forbidden, network):
            return f"it is {_KINDS[kind]}"
        return f"{_CONTAINED[kind]} ({forbidden}) are part of it"
    return ""


def _as_ipv4(network: IPNetwork) -> tuple[Fix, ...]:
    """The same addresses as IPv4 writes them, where they are IPv4-mapped."""
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is None or network.prefixlen < 96:
        return ()
    plain = ipaddress.ip_network((mapped, network.prefixlen - 96))
    return () if _unprotectable(plain) else (Fix(label=f"Use {plain}", value=str(plain)),)


def parse_fqdn(text: str) -> str:
    """A domain name in lower case and A-label form (IDNA 2008, as browsers read names), without the final dot."""
    text = visible(text)
    name = _ascii_name(text)
    labels = name.split(".")
    is_name = len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) and not _is_number(labels[-1])
    if not is_name or fqdn_violation(name):
        raise TargetError(
            "not-a-name", f"{shown(text)} is not a name. Write it like shop.example.com."
        )
    return name


def _ascii_name(text: str) -> str:
    try:
        return idna.encode(text.rstrip("."), uts46=True).decode("ascii").lower()
    except UnicodeError:
        # A label that no registry assigns, such as one with an underscore, or not a name at all.
        return text.rstrip(".").lower()


def parse_host(text: str) -> str:
    """The address or name of a server, in A-label form; a single label is allowed."""
    text = visible(text)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        name = _ascii_name(text)
        if fqdn_violation(name) or _is_number(name.rpartition(".")[2]):
            raise TargetError("not-a-host", f"{shown(text)} is not a host.") from None
        return name
    if address.is_unspecified or address.is_multicast or "%" in text:
        raise TargetError("not-a-host", f"{shown(text)} is no address of one host.")
    return str(address)


def parse_uri(text: str) -> str:
    """An absolute URI with a host, and without a password."""
    text = visible(text)
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
        or not _URI_CHARACTERS.fullmatch(text)
        or uri_violation(text)
    ):
        raise TargetError(
            "not-a-uri",
            f"{shown(text)} is not a web address. Write it like https://shop.example.com/.",
        )
    if "@" in parts.netloc:
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        raise TargetError(
            "has-a-password",
            f"{shown(host)}: leave out the user name and password; providers would see them.",
            (Fix(label=f"Use {shown(plain)}", value=plain),),
        )
    return text


_PARSERS: Final[Mapping[str, Callable[[str], IPNetwork | str]]] = {
    "prefix": parse_prefix,
    "fqdn": parse_fqdn,
    "uri": parse_uri,
}


def uri_host(uri: str) -> str:
    return (urlsplit(uri).hostname or "").lower().rstrip(".")


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
    text = visible(text)
    if "://" in text:
        return "uri"
    if ":" in text or re.fullmatch(r"[0-9./]+", text) or "/" in text:
        return "prefix"
    return "fqdn"
