"""The arithmetic of overlaps, compared with brute force over every address, port and protocol of a
small world.
"""

from __future__ import annotations

import ipaddress
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.targets import IPNetwork, PortRange, ReportedTargets, Targets
from portal.mitigations.overlaps import Coverage, Loss, Traffic, losses

NETWORKS = {4: ipaddress.ip_network("203.0.113.240/28"), 6: ipaddress.ip_network("2001:db8::/124")}
NAMES = ["api.example", "shop.example", "https://shop.example/", "https://shop.example/pay"]
PORTS = [0, 1, 2, 3, 65534, 65535]
PROTOCOLS = [1, 6, 17]
ANY_OTHER = (4096, 99)
"""A port and a protocol that no request names."""

Point = tuple[str, int, int]


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    world = NETWORKS[draw(st.sampled_from([4, 6]))]
    length = draw(st.integers(world.prefixlen, world.max_prefixlen))
    subnets = list(world.subnets(new_prefix=length))
    return str(draw(st.sampled_from(subnets)))


@st.composite
def scopes(draw: st.DrawFn, *, min_size: int = 0) -> Targets:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    return Targets.saved(
        prefixes=draw(st.lists(prefixes(), unique=True, min_size=min_size, max_size=4)),
        fqdns=[name for name in names if "://" not in name],
        uris=[name for name in names if "://" in name],
    )


port_ranges = st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)).map(
    lambda pair: PortRange(min(pair), max(pair))
)
traffics = st.builds(
    Traffic.of,
    st.lists(port_ranges, max_size=3),
    st.lists(st.sampled_from(PROTOCOLS), unique=True),
)


@st.composite
def coverages(draw: st.DrawFn) -> Coverage:
    ports = draw(st.lists(port_ranges, max_size=3))
    return Coverage.of(
        draw(scopes()),
        ports,
        draw(st.lists(st.sampled_from(PROTOCOLS), unique=True)),
    )


def flows(traffic: Traffic) -> set[tuple[int, int]]:
    return {
        (port, protocol)
        for port, protocol in product([*PORTS, ANY_OTHER[0]], [*PROTOCOLS, ANY_OTHER[1]])
        if (not traffic.ports or any(one.lower <= port <= one.upper for one in traffic.ports))
        and (not traffic.protocols or protocol in traffic.protocols)
    }


def addresses(network: IPNetwork) -> set[str]:
    return {str(one) for one in network}


def places_of(target: IPNetwork | str) -> set[str]:
    return {target} if isinstance(target, str) else addresses(target)


def places(coverage: Coverage) -> set[str]:
    return {one for network in coverage.networks for one in addresses(network)} | coverage.names


def points(coverage: Coverage) -> set[Point]:
    return {(place, *flow) for place in places(coverage) for flow in flows(coverage.traffic)}


def lost_points(loss: Loss, traffic: Traffic) -> set[Point]:
    """The points that a loss contains."""
    lost = {(place, *flow) for place in places_of(loss.target) for flow in flows(traffic)}
    for kept in loss.kept:
        lost -= {(place, *flow) for place in addresses(kept) for flow in flows(traffic)}
    for part in loss.narrowed:
        lost -= {(place, *flow) for place in places_of(part.target) for flow in flows(part.traffic)}
    return lost


@given(coverages(), coverages())
def test_two_scopes_overlap_if_and_only_if_they_share_a_point(
    one: Coverage, other: Coverage
) -> None:
    assert one.shares_target_with(other) == bool(places(one) & places(other))
    assert other.shares_target_with(one) == one.shares_target_with(other)


@given(coverages(), coverages())
def test_the_loss_to_a_newer_mitigation_is_exactly_what_it_does_not_protect(
    old: Coverage, newer: Coverage
) -> None:
    said = {point for loss in losses(old, [newer]) for point in lost_points(loss, old.traffic)}

    assert said == points(old) - points(newer)


@given(coverages(), st.lists(coverages(), max_size=3))
def test_every_loss_is_reported(old: Coverage, newer: list[Coverage]) -> None:
    said = {point for loss in losses(old, newer) for point in lost_points(loss, old.traffic)}
    protected: set[Point] = set().union(*(points(one) for one in newer))

    assert said >= points(old) - protected
    full = [one for one in newer if one.traffic.covers(old.traffic)]
    assert not said & set().union(*(points(one) for one in full))


@given(coverages(), coverages())
def test_the_parts_that_keep_protection_are_disjoint_and_smaller(
    old: Coverage, newer: Coverage
) -> None:
    for loss in losses(old, [newer]):
        kept = [one for network in loss.kept for one in addresses(network)]
        assert len(kept) == len(set(kept))
        assert set(kept) < places_of(loss.target)


@given(traffics, traffics)
def test_traffic_is_covered_if_and_only_if_all_of_it_is(one: Traffic, other: Traffic) -> None:
    assert one.covers(other) == (flows(one) >= flows(other))


@given(traffics, traffics)
def test_the_union_of_traffic_covers_both_and_is_symmetric(one: Traffic, other: Traffic) -> None:
    both = one | other

    assert both.covers(one)
    assert both.covers(other)
    assert both == other | one
    if one.protocols == other.protocols or one.ports == other.ports:
        assert flows(both) == flows(one) | flows(other)


@given(st.lists(scopes(), max_size=4))
def test_the_union_of_scopes_holds_every_target_once_and_nothing_else(asked: list[Targets]) -> None:
    both = Targets.union(asked)

    every = set().union(*(places(Coverage.of(one)) for one in asked))
    assert places(Coverage.of(both)) == every
    networks = Coverage.of(both).networks
    assert sum(one.num_addresses for one in networks) == len(
        {place for network in networks for place in addresses(network)}
    )


@pytest.mark.parametrize(
    ("ports", "merged"),
    [
        ([(443, 443), (80, 80)], ((80, 80), (443, 443))),
        ([(80, 90), (91, 95)], ((80, 95),)),
        ([(80, 90), (85, 86)], ((80, 90),)),
        ([(0, 400), (200, 65535)], ()),
    ],
)
def test_ranges_that_touch_become_one_and_all_ports_are_any_port(
    ports: list[tuple[int, int]], merged: tuple[tuple[int, int], ...]
) -> None:
    found = Traffic.of([PortRange(*one) for one in ports], [])

    assert found.ports == tuple(PortRange(*one) for one in merged)


def test_the_two_versions_of_ip_never_overlap() -> None:
    v4 = Coverage.of(Targets.saved(prefixes=["0.0.0.0/1"]))
    v6 = Coverage.of(Targets.saved(prefixes=["::/1"]))

    assert not v4.shares_target_with(v6)
    assert [loss.target for loss in losses(v4, [v6])] == list(v4.networks)


@pytest.mark.parametrize(
    "kept",
    [
        "https://shop.example",
        "HTTPS://Shop.example/",
        "https://shop.example:443/",
        "https://shop.example./",
        "https://bob@shop.example/",
    ],
)
def test_uris_are_compared_in_normal_form(kept: str) -> None:
    new = Coverage.of(Targets.saved(uris=["https://shop.example/"]))
    pay = Coverage.of(Targets.saved(uris=["https://shop.example/pay"]))
    own = Coverage.of(Targets.saved(uris=[kept]))
    held = Coverage.reported(ReportedTargets(uris=(kept,)), [], [])

    for old in (own, held):
        assert old.shares_target_with(new)
        assert new.shares_target_with(old)
        assert old.is_same(new)
        assert losses(old, [new]) == losses(new, [old]) == ()
        assert not old.shares_target_with(pay)
        assert [loss.target for loss in losses(old, [pay])] == ["https://shop.example/"]


def test_a_uri_without_a_normal_form_is_compared_as_text() -> None:
    odd = Coverage.of(Targets.saved(uris=["https://[fe80::1%25eth0]/"]))

    assert odd.names == {"https://[fe80::1%25eth0]/"}
    assert odd.shares_target_with(odd)
