"""The targets that two requests share, and the targets that a client may request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from dots_client import Scope, Targets
from dots_client.server import fqdn_violation

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The domain of one client: its prefixes and its names."""

    networks: tuple[Network, ...]
    names: tuple[str, ...]
    "empty: names are not checked, since the server does not resolve them"

    @classmethod
    def of(cls, entries: Iterable[str]) -> Entitlement:
        """From prefixes, domain names, and URIs, which mean their host.

        ValueError names an invalid entry.
        """
        networks: list[Network] = []
        names: list[str] = []
        for entry in entries:
            host = urlsplit(entry).hostname if "://" in entry else entry
            try:
                networks.append(ip_network(host or ""))
            except ValueError:
                if host is None or fqdn_violation(host) is not None:
                    raise ValueError(f"{entry!r} is not a prefix, domain name or URI") from None
                names.append(plain_name(host))
        return cls(tuple(networks), tuple(names))

    def outside(self, targets: Targets) -> str | None:
        """The first target outside the client's domain, or None."""
        for prefix in targets.target_prefix:
            if not self._holds_network(prefix_network(prefix)):
                return prefix
        for name in targets.target_fqdn:
            if not self._holds_name(name):
                return name
        for uri in targets.target_uri:
            if not self._holds_host(urlsplit(uri).hostname or ""):
                return uri
        return None

    def _holds_network(self, network: Network) -> bool:
        return any(_contains(own, network) for own in self.networks)

    def _holds_host(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return self._holds_name(host)
        return any(address in own for own in self.networks)

    def _holds_name(self, name: str) -> bool:
        plain = plain_name(name)
        return not self.names or any(
            plain == own or plain.endswith(f".{own}") for own in self.names
        )


def shared(one: Targets, other: Targets) -> Targets | None:
    """The targets of both requests (RFC 9132 section 4.4.1.3), or None.

    Ports and protocols do not matter: one shared address is an overlap.
    """
    both = Targets(
        target_prefix=tuple(
            dict.fromkeys(
                str(narrower)
                for first in map(prefix_network, one.target_prefix)
                for second in map(prefix_network, other.target_prefix)
                if (narrower := _narrower(first, second)) is not None
            )
        ),
        target_fqdn=tuple(
            name
            for name in one.target_fqdn
            if plain_name(name) in {plain_name(theirs) for theirs in other.target_fqdn}
        ),
        target_uri=tuple(uri for uri in one.target_uri if uri in other.target_uri),
        alias_name=tuple(alias for alias in one.alias_name if alias in other.alias_name),
    )
    return both if both != Targets() else None


def is_same_request(one: Scope, other: Scope) -> bool:
    """Whether only the lifetime differs. The order of lists does not matter."""
    return one.trigger_mitigation == other.trigger_mitigation and _as_sets(one.targets) == _as_sets(
        other.targets
    )


@lru_cache(maxsize=8192)
def prefix_network(prefix: str) -> Network:
    return ip_network(prefix)


def _as_sets(targets: Targets) -> tuple[frozenset[object], ...]:
    return (
        frozenset(prefix_network(prefix) for prefix in targets.target_prefix),
        frozenset((ports.lower, ports.upper or ports.lower) for ports in targets.target_port_range),
        frozenset(targets.target_protocol),
        frozenset(plain_name(name) for name in targets.target_fqdn),
        frozenset(targets.target_uri),
        frozenset(targets.alias_name),
    )


def _narrower(first: Network, second: Network) -> Network | None:
    if _contains(first, second):
        return second
    return first if _contains(second, first) else None


def _contains(outer: Network, inner: Network) -> bool:
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def plain_name(name: str) -> str:
    return name.lower().rstrip(".")
