"""What a drill may ask for: a target of the organization that no plan holds. Pure functions.

A provider keeps only the newer of two standby requests with a common target (RFC 9132 section
4.4.1.3), so a drill that touched a plan would end it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

from portal.core.targets import IPNetwork, Kind, Target, Targets, contains, overlap
from portal.mitigations.validation import EligibleProvider, Resource


def drill_target(
    provider: EligibleProvider, resources: Iterable[Resource], held: Sequence[Targets]
) -> Target | None:
    """The smallest target that this provider accepts and no plan touches; None if there is none for
    certain.
    """
    if any(one.fqdns or one.uris for one in held):
        # A provider resolves names itself, so the portal does not know which addresses a name
        # covers.
        return None
    taken = [prefix for one in held for prefix in one.prefixes]
    own = [resource.target for resource in resources]
    for prefix in Targets.of(own).prefixes:
        network = _free_network(provider, prefix, taken)
        if network is not None:
            return Target(Kind.PREFIX, network)
    if taken or provider.limited_to or not provider.takes_names:
        return None
    return next((target for target in own if target.kind != Kind.PREFIX), None)


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
    parts: Iterator[IPNetwork] = largest.subnets(new_prefix=length)
    first = next(parts)
    # The first address of a network is its name; the last may be its broadcast address.
    is_host = length == own.max_prefixlen and largest.num_addresses > 2
    return next(parts) if is_host else first


def _within(own: IPNetwork, limits: Sequence[IPNetwork]) -> list[IPNetwork]:
    if not limits:
        return [own]
    common = [limit if contains(own, limit) else own for limit in limits if overlap(own, limit)]
    return list(dict.fromkeys(common))


def _without(network: IPNetwork, other: IPNetwork) -> list[IPNetwork]:
    if not overlap(network, other):
        return [network]
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        return list(network.address_exclude(other)) if other.subnet_of(network) else []
    if isinstance(network, IPv6Network) and isinstance(other, IPv6Network):
        return list(network.address_exclude(other)) if other.subnet_of(network) else []
    return [network]
