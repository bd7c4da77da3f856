from __future__ import annotations

from dataclasses import fields, replace
from ipaddress import ip_network
from typing import Any

import aiocoap
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dots_client.codec import (
    encode_request,
    mitigate_path,
    request_bytes,
    request_overhead_bytes,
    split,
)
from dots_client.errors import EncodeError
from dots_client.model import (
    INDEFINITE,
    AttackStatus,
    FilterControl,
    PortRange,
    Scope,
    Targets,
)

IPV6_BUDGET = 1195
"""From the 1280 bytes of RFC 9132 section 7.3: less 40 IPv6, 8 UDP, 13 + 8 + 16 DTLS with
AES-GCM.
"""
CUID = "dz6pHjaADkaFTbjr0JGBpw"


def scope(**lists: Any) -> Scope:
    return Scope(targets=Targets(**lists), lifetime=3600)


MIXED = scope(
    target_prefix=tuple(f"2001:db8:{index:x}::/48" for index in range(16)),
    target_fqdn=tuple(f"shop-{index}.example" for index in range(8)),
    target_uri=tuple(f"https://api-{index}.example/v1" for index in range(6)),
    alias_name=("web", "mail"),
    target_port_range=(PortRange(lower=80), PortRange(lower=8000, upper=8080)),
    target_protocol=(6, 17),
)


def all_targets(parts: tuple[Scope, ...]) -> dict[str, list[str]]:
    return {
        name: sorted(value for part in parts for value in getattr(part.targets, name))
        for name in ("target_prefix", "target_fqdn", "target_uri", "alias_name")
    }


@pytest.mark.rule("SC-126")
def test_32_targets_of_all_kinds_fit_one_datagram() -> None:
    assert sum(map(len, all_targets((MIXED,)).values())) == 32

    assert request_bytes(MIXED) + request_overhead_bytes(CUID) <= IPV6_BUDGET
    assert split(MIXED, IPV6_BUDGET - request_overhead_bytes(CUID)) == (MIXED,)


@pytest.mark.rule("SC-128")
@pytest.mark.parametrize("max_bytes", [120, 200, 400])
def test_a_scope_that_does_not_fit_becomes_several_that_do(max_bytes: int) -> None:
    parts = split(MIXED, max_bytes)

    assert len(parts) > 1
    assert all(len(encode_request(part)) <= max_bytes for part in parts)
    assert all_targets(parts) == all_targets((MIXED,))
    for part in parts:
        assert part.targets.target_port_range == MIXED.targets.target_port_range
        assert part.targets.target_protocol == MIXED.targets.target_protocol
        assert part.lifetime == 3600


def test_a_part_still_fits_with_a_longer_lifetime_and_in_efficacy_updates() -> None:
    for part in split(MIXED, 200):
        update = replace(part, lifetime=2**32 - 1, attack_status=AttackStatus.UNDER_ATTACK)
        assert len(encode_request(update)) <= 200


def test_a_prefix_inside_another_one_of_the_scope_is_left_out() -> None:
    inside = scope(
        target_prefix=("192.0.2.7/32", "192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32")
    )

    parts = split(inside, 45)

    assert [part.targets.target_prefix for part in parts] == [
        ("192.0.2.0/24",),
        ("198.51.100.0/24",),
        ("2001:db8::/32",),
    ]


def test_a_uri_stays_with_its_host() -> None:
    uris = scope(
        target_prefix=("192.0.2.0/24", "2001:db8::/32"),
        target_fqdn=("Shop.example.",),
        target_uri=(
            "https://shop.example/",
            "http://192.0.2.7/",
            "http://198.51.100.7/a",
            "http://198.51.100.7/b",
        ),
    )

    parts = split(uris, 85)

    groups = [
        tuple(value for field in fields(Targets) for value in getattr(part.targets, field.name))
        for part in parts
    ]
    assert groups == [
        ("192.0.2.0/24", "2001:db8::/32", "http://192.0.2.7/"),
        ("Shop.example.", "https://shop.example/"),
        ("http://198.51.100.7/a", "http://198.51.100.7/b"),
    ]


def test_filters_are_switched_by_the_first_part_only() -> None:
    filtered = replace(
        scope(target_prefix=("192.0.2.0/24", "198.51.100.0/24")),
        acl_list=(FilterControl(acl_name="partners"),),
    )

    first, second = split(filtered, 55)

    assert first.acl_list == filtered.acl_list
    assert second.acl_list == ()


def test_preconfigured_parts_are_preconfigured() -> None:
    armed = replace(
        scope(target_prefix=("192.0.2.0/24", "198.51.100.0/24")),
        trigger_mitigation=False,
        lifetime=INDEFINITE,
    )

    assert {(part.trigger_mitigation, part.lifetime) for part in split(armed, 50)} == {
        (False, INDEFINITE)
    }


@pytest.mark.parametrize("targets", [("192.0.2.0/24",), ("192.0.2.0/24", "198.51.100.0/24")])
def test_one_target_that_does_not_fit_is_named(targets: tuple[str, ...]) -> None:
    with pytest.raises(EncodeError, match=r"192\.0\.2\.0/24 with the ports.* 20 are allowed"):
        split(scope(target_prefix=targets), 20)


def test_a_forbidden_scope_is_not_split() -> None:
    with pytest.raises(EncodeError, match="loopback"):
        split(scope(target_prefix=("127.0.0.0/8",)), 1000)


@pytest.mark.rule("SC-127")
def test_the_overhead_is_that_of_the_longest_request() -> None:
    message = aiocoap.Message(
        code=aiocoap.PUT,
        uri_path=mitigate_path(CUID, 2**32 - 1),
        content_format=271,
        if_match=[b""],
        payload=b"x",
        _token=b"12345678",
        _mid=1,
        _mtype=aiocoap.NON,
    )

    assert request_overhead_bytes(CUID) == len(message.encode()) - 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40, unique=True),
    st.sampled_from([16, 24, 32]),
    st.integers(60, 300),
)
def test_no_two_parts_overlap(addresses: list[int], length: int, max_bytes: int) -> None:
    prefixes = {
        str(network)
        for address in addresses
        if not (
            network := ip_network((0x0B000000 | (address & 0xFFFFFF), length), strict=False)
        ).is_loopback
    }
    parts = split(scope(target_prefix=tuple(prefixes)), max_bytes)

    networks = [[ip_network(prefix) for prefix in part.targets.target_prefix] for part in parts]
    for index, mine in enumerate(networks):
        for theirs in networks[index + 1 :]:
            assert not any(one.overlaps(other) for one in mine for other in theirs)
