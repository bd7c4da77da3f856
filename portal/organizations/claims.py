"""Checks before a resource is verified: whether it is too broad, and whether it overlaps with
another verified resource.

Pure functions of targets.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from portal.core.targets import Kind, Target, Territory, overlap, uri_host, uri_network

SHORTEST_IPV4_PREFIX: Final = 8
SHORTEST_IPV6_PREFIX: Final = 16
"""Registries give a single organization at most this much; a shorter prefix belongs to many."""


def why_too_broad(target: Target) -> str:
    """Why it is too broad for a single organization, as a sentence; empty if it is not."""
    value = target.value
    if not isinstance(value, str):
        shortest = SHORTEST_IPV4_PREFIX if value.version == 4 else SHORTEST_IPV6_PREFIX
        if value.prefixlen < shortest:
            return (
                f"{value} is too large for one organization: /{shortest} is the "
                f"largest prefix that can be verified."
            )
        return ""
    if target.kind == Kind.URI and uri_network(value) is not None:
        return ""
    name = value if target.kind == Kind.FQDN else uri_host(value)
    if _public_suffixes().is_public(name):
        return f"{name} is a public suffix: anyone can register names under it."
    return ""


def overlaps(one: Target, other: Target) -> bool:
    """Whether two resources have targets in common."""
    if not isinstance(one.value, str) and not isinstance(other.value, str):
        return overlap(one.value, other.value)
    if one.kind == other.kind == Kind.URI:
        return uri_host(str(one)) == uri_host(str(other))
    # A name covers the names below it, a prefix the URIs of its addresses.
    return Territory.of([one]).has(other) or Territory.of([other]).has(one)


@cache
def _public_suffixes() -> PublicSuffixList:
    # Only suffixes of registries: github.io and the like have a single owner, who may be a
    # customer.
    return PublicSuffixList(only_icann=True)
