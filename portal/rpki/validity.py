"""Whether an AS may announce a route, by route origin validation (RFC 6811). Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_network
from typing import Final

from portal.core.targets import IPNetwork, contains

MOST_SPECIFIC: Final = {4: 24, 6: 48}
"""The longest prefix, by IP version, that networks accept from their neighbours: a provider
announces the prefix of this length around anything smaller."""


class RouteValidity(StrEnum):
    """RFC 6811 section 2, and `unknown` where the portal has no current data."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_FOUND = "not-found"
    UNKNOWN = "unknown"


_WORST_FIRST: Final = (
    RouteValidity.INVALID, RouteValidity.UNKNOWN, RouteValidity.NOT_FOUND, RouteValidity.VALID,
)  # fmt: skip


def worst(found: Iterable[RouteValidity]) -> RouteValidity:
    """INVALID before UNKNOWN, NOT_FOUND and VALID. `found`: at least one."""
    return min(found, key=_WORST_FIRST.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vrp:
    """A validated ROA payload: `asn` may announce `prefix`, and its parts up to /`max_length`.

    `expires_at`: seconds since 1970; None: unknown.
    """

    prefix: IPNetwork
    max_length: int
    asn: int
    expires_at: int | None = None


def validity(route: IPNetwork, asn: int, vrps: Iterable[Vrp]) -> RouteValidity:
    """VALID, INVALID or NOT_FOUND for `route` with the origin `asn` (RFC 6811 section 2).

    AS 0 never announces anything (RFC 7607), so it matches no payload.
    """
    covering = [vrp for vrp in vrps if contains(vrp.prefix, route)]
    if not covering:
        return RouteValidity.NOT_FOUND
    matches = any(vrp.asn == asn != 0 and route.prefixlen <= vrp.max_length for vrp in covering)
    return RouteValidity.VALID if matches else RouteValidity.INVALID


def current(vrps: Iterable[Vrp], now: datetime) -> list[Vrp]:
    """Those that have not expired."""
    return [one for one in vrps if one.expires_at is None or one.expires_at > now.timestamp()]


def route_for(network: IPNetwork) -> IPNetwork:
    """The route that a provider announces to attract the traffic of `network`."""
    longest = MOST_SPECIFIC[network.version]
    if network.prefixlen <= longest:
        return network
    return ip_network(network).supernet(new_prefix=longest)
