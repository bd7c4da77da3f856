from __future__ import annotations

import pytest

from portal.core.targets import Target
from portal.ownership.evidence import is_public
from portal.ownership.places import is_among, new_token, places_of, value_of
from portal.ownership.states import ProofMethod


@pytest.mark.parametrize(
    ("kind", "value", "alternatives"),
    [
        ("prefix", "203.0.113.0/24", ["113.0.203.in-addr.arpa"]),
        ("prefix", "203.0.0.0/16", ["0.203.in-addr.arpa"]),
        ("prefix", "44.0.0.0/8", ["44.in-addr.arpa"]),
        ("prefix", "203.0.113.64/27", ["113.0.203.in-addr.arpa"]),
        ("prefix", "203.0.113.7/32", ["113.0.203.in-addr.arpa"]),
        ("prefix", "203.0.112.0/23",
         ["112.0.203.in-addr.arpa 113.0.203.in-addr.arpa", "0.203.in-addr.arpa"]),
        ("prefix", "203.0.0.0/19", ["0.203.in-addr.arpa"]),
        ("prefix", "2001:db8:10::/48", ["0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("prefix", "2001:db8:10::/47",
         ["0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa 1.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
          "1.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("prefix", "2001:db8:10:a0::7/128", ["0.a.0.0.0.1.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("uri", "https://203.0.113.7/", ["113.0.203.in-addr.arpa"]),
        ("fqdn", "shop.acme.example", ["shop.acme.example"]),
        ("uri", "https://shop.acme.example:8443/a", ["shop.acme.example"]),
    ],
)  # fmt: skip
def test_a_record_is_at_the_name_or_in_the_reverse_zones(
    kind: str, value: str, alternatives: list[str]
) -> None:
    places = places_of(Target.saved(kind, value))

    named = [tuple(f"_dots-portal.{one}" for one in each.split(" ")) for each in alternatives]
    assert list(places.dns) == named
    assert (ProofMethod.HTTP in places.methods) is ("arpa" not in alternatives[0])


def test_names_of_a_host_stay_apart_from_its_port_and_path() -> None:
    assert places_of(Target.saved("uri", "https://shop.acme.example:8443/a")).host == (
        "shop.acme.example"
    )


def test_an_unreadable_prefix_of_an_earlier_release_is_left_to_staff() -> None:
    assert places_of(Target.saved("prefix", "a.b.c.d/24")).methods == (ProofMethod.STAFF,)


def test_tokens_cannot_be_guessed_and_are_compared_whole() -> None:
    tokens = {new_token() for _ in range(100)}
    value = value_of(tokens.pop())

    assert len(tokens) == 99
    assert all(len(one) == 43 for one in tokens)
    assert is_among(value, [b"x", f" {value}\r\n".encode()])
    for other in ("", value[:-1], f"{value}x", "\xff"):
        assert not is_among(value, [other.encode()])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "203.0.113.7", "198.18.0.1", "::1", "::",
        "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::1", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
        "fe80::1%eth0", "localhost", "",
    ],
)  # fmt: skip
def test_private_and_special_addresses_are_not_asked(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "64:ff9b::909:909"])
def test_public_addresses_are_asked(address: str) -> None:
    assert is_public(address)
