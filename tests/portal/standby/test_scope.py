from __future__ import annotations

import ipaddress
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.targets import Target, Targets
from portal.mitigations.validation import EligibleProvider, Resource
from portal.standby.scope import drill_target

ANY = EligibleProvider(subscription=uuid4(), name="Northgate")


def own(*values: str, kind: str = "prefix") -> list[Resource]:
    return [Resource(id=uuid4(), name=value, target=Target.saved(kind, value)) for value in values]


def held(*prefixes: str, fqdns: tuple[str, ...] = ()) -> Targets:
    return Targets.saved(prefixes=prefixes, fqdns=fqdns)


def test_a_drill_uses_one_address_that_is_neither_network_nor_broadcast() -> None:
    assert drill_target(ANY, own("203.0.113.0/24"), []) == Target.saved("prefix", "203.0.113.1/32")
    assert drill_target(ANY, own("2001:db8::/48"), []) == Target.saved("prefix", "2001:db8::1/128")
    assert drill_target(ANY, own("203.0.113.7/32"), []) == Target.saved("prefix", "203.0.113.7/32")


def test_a_drill_uses_no_address_held_by_a_plan() -> None:
    target = drill_target(ANY, own("203.0.113.0/24"), [held("203.0.113.0/25")])

    assert target == Target.saved("prefix", "203.0.113.129/32")


@pytest.mark.parametrize("plan", ["203.0.113.0/24", "203.0.112.0/20"])
def test_a_plan_for_everything_leaves_nothing_for_a_drill(plan: str) -> None:
    assert drill_target(ANY, own("203.0.113.0/24"), [held(plan)]) is None


def test_a_plan_for_a_name_may_hold_any_address() -> None:
    assert drill_target(ANY, own("203.0.113.0/24"), [held(fqdns=("shop.example",))]) is None


def test_a_drill_uses_a_name_only_if_the_provider_holds_no_address() -> None:
    names = own("shop.example", kind="fqdn")

    assert drill_target(ANY, names, []) == Target.saved("fqdn", "shop.example")
    assert drill_target(ANY, names, [held("198.51.100.0/24")]) is None
    assert drill_target(ANY, [], []) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
            lambda pair: ipaddress.ip_network((0xCB007100 + pair[0], pair[1]), strict=False)
        ),
        max_size=12,
    )
)
def test_a_drill_never_touches_a_plan(plans: list[ipaddress.IPv4Network]) -> None:
    target = drill_target(ANY, own("203.0.113.0/24"), [held(*map(str, plans))])

    covered = {address for plan in plans for address in plan}
    if target is None:
        assert covered >= set(ipaddress.ip_network("203.0.113.0/24"))
    else:
        assert isinstance(target.value, ipaddress.IPv4Network)
        assert target.value[0] not in covered


def limited(*prefixes: str, **limits: object) -> EligibleProvider:
    networks = tuple(ipaddress.ip_network(prefix) for prefix in prefixes)
    return EligibleProvider(subscription=uuid4(), name="Tidewall", limited_to=networks, **limits)  # type: ignore[arg-type]  # the test names limits


def test_a_provider_is_asked_only_for_what_it_may_protect() -> None:
    resources = own("203.0.113.0/24", "198.51.100.0/24")

    one = drill_target(limited("198.51.100.64/26"), resources, [])
    other = drill_target(limited("198.51.0.0/16"), resources, [held("198.51.100.0/25")])

    assert one == Target.saved("prefix", "198.51.100.65/32")
    assert other == Target.saved("prefix", "198.51.100.129/32")
    assert drill_target(limited("192.0.2.0/24"), resources, []) is None


def test_a_drill_uses_the_longest_prefix_that_the_provider_accepts() -> None:
    provider = limited(longest_prefix_v4=26)

    assert drill_target(provider, own("203.0.113.0/24"), []) == Target.saved(
        "prefix", "203.0.113.0/26"
    )
    beside = drill_target(provider, own("203.0.113.0/24"), [held("203.0.113.0/27")])
    assert beside == Target.saved("prefix", "203.0.113.128/26")
    assert drill_target(provider, own("203.0.113.0/27"), []) is None


def test_a_drill_uses_no_name_at_a_provider_that_accepts_none() -> None:
    assert drill_target(limited(takes_names=False), own("shop.example", kind="fqdn"), []) is None
