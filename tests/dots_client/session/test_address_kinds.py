from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dots_client.model import RedirectedSignal
from dots_client.session import NotFollowed, Redirections
from dots_client.session.address_kinds import AddressKind, address_kind, allowed_alternates

PLACES = {
    AddressKind.PUBLIC: ["8.8.8.8", "198.51.100.7", "2606:4700::1", "2001:db8::1"],
    AddressKind.PRIVATE: ["10.0.0.1", "172.31.255.255", "192.168.1.1", "fd12::1", "fec0::1",
    "64:ff9b:1::a00:1"],
    AddressKind.SHARED: ["100.64.0.1", "100.127.255.255"],
    AddressKind.LINK_LOCAL: ["169.254.1.1", "fe80::1", "fe80::1%eth0"],
    AddressKind.LOOPBACK: ["127.0.0.1", "127.1.2.3", "::1"],
    AddressKind.METADATA: ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
    "192.0.0.192"],
    AddressKind.MULTICAST: ["224.0.0.1", "239.255.255.255", "ff02::1"],
    AddressKind.UNUSABLE: ["0.0.0.0", "0.1.2.3", "::", "255.255.255.255", "240.0.0.1", "192.0.0.1",
    "198.18.0.1", "", "x", "127.1", "0x7f000001", "2130706433"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("address", "place"), [(one, place) for place, many in PLACES.items() for one in many]
)
def test_an_address_is_of_one_kind(address: str, place: AddressKind) -> None:
    assert address_kind(address) == place


EMBEDDED = {
    "mapped": lambda bits: 0xFFFF << 32 | bits,
    "translated": lambda bits: 0xFFFF << 48 | bits,
    "NAT64": lambda bits: 0x64FF9B << 96 | bits,
    "compatible": lambda bits: bits,
    "6to4": lambda bits: 0x2002 << 112 | bits << 80,
    "Teredo": lambda bits: 0x20010000 << 96 | bits ^ 0xFFFFFFFF,
    "ISATAP": lambda bits: 0x2606 << 112 | 0x5EFE << 32 | bits,
}


@pytest.mark.parametrize("how", EMBEDDED)
@given(bits=st.integers(2**24, 2**32 - 1))
def test_an_ipv4_address_is_of_the_same_kind_inside_an_ipv6_address(how: str, bits: int) -> None:
    assert address_kind(str(IPv6Address(EMBEDDED[how](bits)))) == address_kind(
        str(IPv4Address(bits))
    )


INNER = [one for place, many in PLACES.items() if place is not AddressKind.PUBLIC for one in many]


@pytest.mark.parametrize("address", INNER)
def test_a_public_server_cannot_redirect_to_an_inner_address(address: str) -> None:
    redirections = Redirections()
    redirect = RedirectedSignal(alt_server="alt.example", alt_server_record=(address,))

    why_not = redirections.redirected(
        redirect, ttl_s=60, now=0.0, provisioned_kinds={AddressKind.PUBLIC}
    )

    assert why_not is NotFollowed.INNER_ADDRESS
    assert not redirections.is_redirected


def test_the_public_ones_of_several_addresses_are_used() -> None:
    redirections = Redirections()
    records = ("127.0.0.1", "198.51.100.7", "::ffff:10.0.0.1")
    redirect = RedirectedSignal(alt_server="alt.example", alt_server_record=records)

    assert redirections.redirected(redirect, ttl_s=60, now=0.0) is None
    alternate = redirections.alternate(now=0.0, is_under_attack=False)
    assert alternate is not None
    assert alternate.addresses == ("198.51.100.7",)


@pytest.mark.parametrize("home", [AddressKind.PRIVATE, AddressKind.LOOPBACK, AddressKind.SHARED])
def test_an_internal_server_may_redirect_only_to_its_own_network(
    home: AddressKind,
) -> None:
    assert set(allowed_alternates(INNER, provisioned_kinds={home})) == set(PLACES[home])
