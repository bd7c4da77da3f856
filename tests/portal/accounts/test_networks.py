"""The networks from which a token may be used."""

from __future__ import annotations

import pytest

from portal.accounts.networks import MAX_NETWORKS, is_allowed, normal_networks
from portal.core.errors import Invalid


def test_networks_are_saved_in_normal_form_and_once() -> None:
    typed = [" 198.51.100.7 ", "2001:DB8::/32", "198.51.100.7/32"]

    assert normal_networks(typed) == "198.51.100.7/32 2001:db8::/32"


@pytest.mark.parametrize(
    "wrong", ["", "198.51.100.7/24", "198.51.100", "example.com", "fe80::1%eth0", "::/200"]
)
def test_text_that_is_no_network_gets_an_error_at_its_place(wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        normal_networks(["198.51.100.0/24", wrong])

    assert [one.field for one in refused.value.errors] == ["allowed_networks.1"]


def test_the_number_of_networks_is_limited_and_the_most_fit_the_column() -> None:
    longest = [f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:ff{n:02x}/128" for n in range(MAX_NETWORKS)]
    assert len(normal_networks(longest)) <= 1000

    with pytest.raises(Invalid, match="At most 20 networks"):
        normal_networks([*longest, "198.51.100.0/24"])


@pytest.mark.parametrize(
    ("networks", "address", "is_let_in"),
    [
        ("", "203.0.113.9", True),
        ("", "", True),
        ("198.51.100.0/24", "198.51.100.9", True),
        ("198.51.100.0/24", "::ffff:198.51.100.9", True),
        ("198.51.100.0/24", "198.51.101.9", False),
        ("198.51.100.0/24", "2001:db8::1", False),
        ("198.51.100.0/24 2001:db8::/32", "2001:db8::1", True),
        ("198.51.100.0/24", "", False),
        ("198.51.100.0/24", "unix:", False),
    ],
)
def test_an_address_is_in_one_of_the_networks(networks: str, address: str, is_let_in: bool) -> None:
    assert is_allowed(networks, address) is is_let_in
