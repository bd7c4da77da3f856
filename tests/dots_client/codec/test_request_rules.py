from __future__ import annotations

from typing import Any

import pytest

from dots_client.codec.request_rules import (
    Rule,
    fqdn_violation,
    is_address,
    prefix_violation,
    tree_violations,
    uri_violation,
)


def paths(**attributes: Any) -> list[str]:
    entry = {name.replace("_", "-"): value for name, value in attributes.items()}
    return [f"scope.{one.path}".rstrip(".") for one in tree_violations(entry)]


@pytest.mark.rule("SC-041")
@pytest.mark.parametrize(
    "target",
    [
        {"target_prefix": ["192.0.2.0/24"]},
        {"target_fqdn": ["www.example.net"]},
        {"target_uri": ["https://www.example.net/"]},
        {"alias_name": ["web"]},
    ],
)
def test_one_kind_of_target_is_enough(target: dict[str, Any]) -> None:
    assert paths(lifetime=60, **target) == []


@pytest.mark.rule("SC-041")
def test_ports_and_protocols_alone_are_not_a_target() -> None:
    assert paths(lifetime=60, target_protocol=[6], target_port_range=[{"lower-port": 1}]) == [
        "scope"
    ]


@pytest.mark.rule("SC-039")
@pytest.mark.rule("SC-040")
def test_the_lifetime_is_mandatory_and_not_zero() -> None:
    assert paths(alias_name=["web"]) == ["scope.lifetime"]
    assert paths(alias_name=["web"], lifetime=0) == ["scope.lifetime"]
    assert paths(alias_name=["web"], lifetime=-1) == []
    assert list(tree_violations({"alias-name": ["web"]}, lifetime_is_mandatory=False)) == []


@pytest.mark.parametrize(
    "text", ["192.0.2.0/24", "203.0.113.7/32", "2001:DB8::/32", "2001:db8::1/128", "128.0.0.0/2"]
)
def test_a_prefix_with_its_network_address_is_allowed(text: str) -> None:
    assert prefix_violation(text) is None


@pytest.mark.rule("SC-042")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1/32", "loopback"),
        ("126.0.0.0/7", "loopback"),
        ("0.0.0.0/0", "loopback"),
        ("224.0.0.0/4", "multicast"),
        ("192.0.0.0/2", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("::1/128", "loopback"),
        ("::/0", "loopback"),
        ("ff02::1/128", "multicast"),
        ("::ffff:192.0.2.1/128", "IPv4-mapped"),
    ],
)
def test_loopback_multicast_and_broadcast_addresses_are_refused(text: str, reason: str) -> None:
    violation = prefix_violation(text)
    assert violation is not None
    assert (violation.rule, reason in violation.reason) == (Rule.FORBIDDEN_NETWORK, True)


@pytest.mark.parametrize(
    "text",
    [
        "192.0.2.1/24",
        "192.0.2.1",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/255.255.255.0",
        "192.0.2.0/２４",
        "2001:db8::/129",
        "2001:db8::1/64",
        "fe80::%eth0/64",
        "192.0.2/24",
        "example.net/24",
        "/24",
    ],
)
def test_an_invalid_prefix_is_refused(text: str) -> None:
    assert prefix_violation(text) is not None


@pytest.mark.parametrize(
    "text",
    ["example.net", "example.net.", "_dots.a-b.example", "a" * 63, "a." * 126 + "a"],
)
def test_a_domain_name_is_allowed(text: str) -> None:
    assert fqdn_violation(text) is None


@pytest.mark.parametrize(
    "text",
    [
        ".",
        "-a.example",
        "a-.example",
        "a..example",
        "a" * 64,
        "ä.example",
        "a b",
        "a.example\n",
        "a." * 127,
        "a." * 126 + "aa",
    ],
)
def test_an_invalid_domain_name_is_refused(text: str) -> None:
    assert fqdn_violation(text) is not None


@pytest.mark.parametrize("text", ["https://www.example.net/a?b#c", "sip://[2001:db8::1]:5060"])
def test_a_uri_with_a_host_is_allowed(text: str) -> None:
    assert uri_violation(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "www.example.net",
        "https://",
        "mailto:a@example.net",
        "https://[::1",
        "https://a:99999/",
        "https://exämple.net/",
        "https://example.net/a b",
        "https://example.net/\n",
    ],
)
def test_a_uri_without_a_host_is_refused(text: str) -> None:
    assert uri_violation(text) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", False),
        ("192.0.2.0/24", False),
        ("example.net", False),
        ("", False),
    ],
)
def test_an_address_has_no_length_and_no_scope(text: str, expected: bool) -> None:
    assert is_address(text) is expected


def test_a_port_range_has_a_lower_port_that_is_not_above_the_upper() -> None:
    allowed = [
        {"lower-port": 0},
        {"lower-port": 80, "upper-port": 80},
        {"lower-port": 81, "upper-port": 90},
    ]
    refused = [{"upper-port": 80}, {"lower-port": 443, "upper-port": 80}]

    assert paths(alias_name=["web"], lifetime=1, target_port_range=allowed) == []
    assert paths(alias_name=["web"], lifetime=1, target_port_range=refused) == [
        "scope.target-port-range[0].lower-port",
        "scope.target-port-range[1].upper-port",
    ]


def test_every_invalid_target_is_named_with_its_place() -> None:
    assert paths(
        lifetime=1, target_prefix=["192.0.2.0/24", "x/1"], target_fqdn=["-"], target_uri=["y"]
    ) == ["scope.target-prefix[1]", "scope.target-fqdn[0]", "scope.target-uri[0]"]


def test_duplicates_are_refused() -> None:
    assert paths(
        lifetime=1,
        alias_name=["web", "web"],
        target_protocol=[6, 17, 6],
        target_port_range=[{"lower-port": 1}, {"lower-port": 1, "upper-port": 2}],
    ) == ["scope.target-port-range[1]", "scope.alias-name[1]", "scope.target-protocol[2]"]
