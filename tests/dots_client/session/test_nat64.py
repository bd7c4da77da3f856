from __future__ import annotations

import pytest

from dots_client.session import synthesize, with_nat64


@pytest.mark.rule("SC-104")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("198.41.0.4", "64:ff9b::c629:4"),
        ("2001:500:2::c", None),
        ("10.0.0.1", None),
        ("127.0.0.1", None),
        ("169.254.1.1", None),
        ("alt.example", None),
    ],
)
def test_only_global_ipv4_addresses_are_embedded(address: str, expected: str | None) -> None:
    assert synthesize(address) == expected


@pytest.mark.rule("SC-104")
@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("6", ("64:ff9b::c629:4", "2001:500:2::c", "10.0.0.1")),
        ("46", ("198.41.0.4", "2001:500:2::c", "10.0.0.1")),
        ("4", ("198.41.0.4", "2001:500:2::c", "10.0.0.1")),
        ("", ("198.41.0.4", "2001:500:2::c", "10.0.0.1")),
    ],
)
def test_an_address_is_embedded_if_only_ipv6_has_a_route(
    routes: str, expected: tuple[str, ...]
) -> None:
    def has_route(address: str) -> bool:
        return ("6" if ":" in address else "4") in routes

    assert with_nat64(("198.41.0.4", "2001:500:2::c", "10.0.0.1"), has_route=has_route) == expected
