"""Route origin validation (RFC 6811): against the definition, address by address."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.targets import IPNetwork
from portal.rpki.validity import RouteValidity, Vrp, route_for, validity

ASNS = st.integers(0, 3)


def networks(version: int) -> st.SearchStrategy[IPNetwork]:
    """Few bits, so that networks often contain each other."""
    size = 32 if version == 4 else 128
    start = (203 << 24) if version == 4 else (0x20 << 120)
    return st.integers(8, 12).flatmap(
        lambda length: st.integers(0, 2 ** (length - 8) - 1).map(
            lambda number: ip_network((start + (number << (size - length)), length))
        )
    )


def vrps(version: int) -> st.SearchStrategy[Vrp]:
    return networks(version).flatmap(
        lambda prefix: st.builds(
            Vrp,
            prefix=st.just(prefix),
            max_length=st.integers(prefix.prefixlen, 14),
            asn=ASNS,
        )
    )


def by_definition(route: IPNetwork, asn: int, payloads: list[Vrp]) -> RouteValidity:
    """Section 2: "covered" and "matched", by the first and last address."""

    def covers(vrp: Vrp) -> bool:
        return (
            vrp.prefix.version == route.version
            and vrp.prefix.prefixlen <= route.prefixlen
            and int(vrp.prefix[0]) <= int(route[0])
            and int(route[-1]) <= int(vrp.prefix[-1])
        )

    covered = [one for one in payloads if covers(one)]
    matched = [
        one for one in covered if one.asn == asn and asn and route.prefixlen <= one.max_length
    ]
    if matched:
        return RouteValidity.VALID
    return RouteValidity.INVALID if covered else RouteValidity.NOT_FOUND


@given(st.sampled_from([4, 6]).flatmap(
    lambda version: st.tuples(
        networks(version), ASNS, st.lists(st.one_of(vrps(4), vrps(6)), max_size=6)
    )
))  # fmt: skip
def test_validity_is_that_of_the_definition(case: tuple[IPNetwork, int, list[Vrp]]) -> None:
    route, asn, payloads = case

    assert validity(route, asn, payloads) == by_definition(route, asn, payloads)


@given(networks(4), ASNS, st.lists(vrps(4), max_size=4), st.lists(vrps(4), max_size=4))
def test_further_payloads_never_take_a_valid_route_away(
    route: IPNetwork, asn: int, some: list[Vrp], more: list[Vrp]
) -> None:
    if validity(route, asn, some) == RouteValidity.VALID:
        assert validity(route, asn, some + more) == RouteValidity.VALID


@pytest.mark.parametrize(
    ("network", "route"),
    [
        ("203.0.113.64/27", "203.0.113.0/24"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.112.0/20", "203.0.112.0/20"),
        ("2001:db8:10:a0::/60", "2001:db8:10::/48"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_a_small_network_is_announced_with_the_route_around_it(network: str, route: str) -> None:
    assert str(route_for(ip_network(network))) == route
