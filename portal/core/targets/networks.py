"""IP networks, and tests whether one contains another."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

IPNetwork = IPv4Network | IPv6Network


def contains(outer: IPNetwork, inner: IPNetwork) -> bool:
    """Whether every address of `inner` is in `outer`; False if their IP versions differ."""
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network):
        return inner.subnet_of(outer)
    return False


def overlap(one: IPNetwork, other: IPNetwork) -> bool:
    return contains(one, other) or contains(other, one)
