"""Checks before a resource is verified: whether it is too broad, and whether it overlaps with
another verified resource.

Pure functions of kinds (prefix, fqdn, uri) and values in normal form (portal.core.targets).
"""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from portal.core.targets import Territory, overlap, uri_host

SHORTEST_IPV4_PREFIX: Final = 8
SHORTEST_IPV6_PREFIX: Final = 16
"""Registries give a single organization at most this much; a shorter prefix belongs to many."""


def why_too_broad(kind: str, value: str) -> str:
    """Why it is too broad for a single organization, as a sentence; empty if it is not."""
    if kind == "prefix":
        network = ipaddress.ip_network(value)
        shortest = SHORTEST_IPV4_PREFIX if network.version == 4 else SHORTEST_IPV6_PREFIX
        if network.prefixlen < shortest:
            return (
                f"{value} is too large for one organization: /{shortest} is the "
                f"largest prefix that can be verified."
            )
        return ""
    name = value if kind == "fqdn" else uri_host(value)
    if not _is_address(name) and _public_suffixes().is_public(name):
        return f"{name} is a public suffix: anyone can register names under it."
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def overlaps(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two resources, given as (kind, value), have targets in common."""
    kinds = (one[0], other[0])
    if kinds == ("prefix", "prefix"):
        return overlap(ipaddress.ip_network(one[1]), ipaddress.ip_network(other[1]))
    if kinds == ("fqdn", "fqdn"):
        return _territory(one).has_name(other[1]) or _territory(other).has_name(one[1])
    if kinds == ("uri", "uri"):
        return uri_host(one[1]) == uri_host(other[1])
    return (other[0] == "uri" and _territory(one).has_uri(other[1])) or (
        one[0] == "uri" and _territory(other).has_uri(one[1])
    )


def _territory(claim: tuple[str, str]) -> Territory:
    return Territory.of([claim])


@cache
def _public_suffixes() -> PublicSuffixList:
    # Only suffixes of registries: github.io and the like have a single owner, who may be a
    # customer.
    return PublicSuffixList(only_icann=True)
