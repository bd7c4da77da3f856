"""What a drill may ask for: something of the organization's that no plan holds. Pure functions.

Of two standby requests with a common target a provider keeps only the newer (RFC 9132 section 4.4.1.3), so a
drill that touched a plan would knock it out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from portal.core.targets import IPNetwork, overlap
from portal.mitigations.models import Targets
from portal.mitigations.validation import Resource


@dataclass(frozen=True, slots=True)
class Target:
    """One target: its kind ("prefix", "fqdn", "uri") and value."""

    kind: str
    value: str


def drill_target(resources: Iterable[Resource], held: Sequence[Targets]) -> Target | None:
    """One address, else one name, that overlaps nothing held; None when that cannot be told for certain."""
    if any(one["fqdns"] or one["uris"] for one in held):
        # A provider resolves names: which addresses it holds by them is not known here.
        return None
    networks = [ipaddress.ip_network(prefix) for one in held for prefix in one["prefixes"]]
    own = tuple(resources)
    for resource in own:
        if resource.kind == "prefix":
            address = _free_address(ipaddress.ip_network(resource.value), networks)
            if address is not None:
                return Target("prefix", str(address))
    if networks:
        return None
    named = next((one for one in own if one.kind != "prefix"), None)
    return None if named is None else Target(named.kind, named.value)


def _free_address(network: IPNetwork, taken: Sequence[IPNetwork]) -> IPNetwork | None:
    """A network of one address inside `network` and outside `taken`."""
    free: list[IPNetwork] = [network]
    for other in taken:
        free = [part for one in free for part in _without(one, other)]
    if not free:
        return None
    largest = min(free, key=lambda one: (one.prefixlen, int(one.network_address)))
    # The first address of a network is its name, the last may be its broadcast address.
    host = largest[1] if largest.num_addresses > 2 else largest[0]
    return ipaddress.ip_network(host)


def _without(network: IPNetwork, other: IPNetwork) -> list[IPNetwork]:
    if not overlap(network, other):
        return [network]
    if isinstance(network, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return list(network.address_exclude(other)) if other.subnet_of(network) else []
    if isinstance(network, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return list(network.address_exclude(other)) if other.subnet_of(network) else []
    return [network]
