"""The targets that an organization may request protection for, and tests whether one network
contains another.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from portal.core.targets.model import IPNetwork, Kind, Target
from portal.core.targets.reading import network_of, normal_uri
from portal.core.targets.uris import uri_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """The targets that an organization may request protection for: its verified resources."""

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
            uris=tuple(map(normal_uri, by_kind["uri"])),
        )

    def has(self, target: Target) -> bool:
        if target.kind == Kind.PREFIX:
            return self.has_network(network_of(target))
        return (
            self.has_name(target.value) if target.kind == Kind.FQDN else self.has_uri(target.value)
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
    """Whether every address of `inner` is in `outer`; False if their IP versions differ."""
    if isinstance(outer, ipaddress.IPv4Network) and isinstance(inner, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, ipaddress.IPv6Network) and isinstance(inner, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return contains(one, other) or contains(other, one)
