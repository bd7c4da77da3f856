"""What a drill may ask for: a target of the organization that no plan holds. Pure functions.

A provider keeps only the newer of two standby requests with a common target (RFC 9132 section
4.4.1.3), so a drill that touched a plan would end it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from portal.core.targets import IPNetwork, contains, overlap
from portal.mitigations.models import Targets
from portal.mitigations.validation import EligibleProvider, Resource


@dataclass(frozen=True, slots=True)
class DrillTarget:
    """One target: its kind ("prefix", "fqdn", "uri") and value."""

    kind: str
    value: str


def drill_target(
    provider: EligibleProvider, resources: Iterable[Resource], held: Sequence[Targets]
) -> DrillTarget | None:
    """The smallest target that this provider accepts and no plan touches; None if there is none for
    certain.
    """
    if any(one["fqdns"] or one["uris"] for one in held):
        # A provider resolves names itself, so the portal does not know which addresses a name
        # covers.
        return None
    taken = [ipaddress.ip_network(prefix) for one in held for prefix in one["prefixes"]]
    own = tuple(resources)
    for resource in own:
        if resource.kind == "prefix":
            network = _free_network(provider, ipaddress.ip_network(resource.value), taken)
            if network is not None:
                return DrillTarget("prefix", str(network))
    if taken or provider.limited_to or not provider.takes_names:
        return None
    named = next((one for one in own if one.kind != "prefix"), None)
    return None if named is None else DrillTarget(named.kind, named.value)


def _free_network(
    provider: EligibleProvider, own: IPNetwork, taken: Sequence[IPNetwork]
) -> IPNetwork | None:
    """The smallest network inside `own` and outside `taken` that the provider accepts."""
    free = _within(own, provider.limited_to)
    for other in taken:
        free = [part for one in free for part in _without(one, other)]
    longest = provider.longest_prefix_v4 if own.version == 4 else provider.longest_prefix_v6
    length = own.max_prefixlen if longest is None else longest
    wide = [one for one in free if one.prefixlen <= length]
    if not wide:
        return None
    largest = min(wide, key=lambda one: (one.prefixlen, int(one.network_address)))
    if length < own.max_prefixlen:
        return ipaddress.ip_network(f"{largest.network_address}/{length}")
    # The first address of a network is its name; the last may be its broadcast address.
    return ipaddress.ip_network(largest[1] if largest.num_addresses > 2 else largest[0])


def _within(own: IPNetwork, limits: Sequence[IPNetwork]) -> list[IPNetwork]:
    if not limits:
        return [own]
    common = [limit if contains(own, limit) else own for limit in limits if overlap(own, limit)]
    return list(dict.fromkeys(common))


def _without(network: IPNetwork, other: IPNetwork) -> list[IPNetwork]:
    if not overlap(network, other):
        return [network]
    if isinstance(network, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return list(network.address_exclude(other)) if other.subnet_of(network) else []
    if isinstance(network, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return list(network.address_exclude(other)) if other.subnet_of(network) else []
    return [network]
