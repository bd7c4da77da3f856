from __future__ import annotations

import pytest

from dots_client import PortRange, Scope, Targets
from dots_server.targets import Entitlement, is_same_request, shared

ACME = Entitlement.of(["203.0.113.0/24", "2001:db8:10::/48", "Acme.example"])


@pytest.mark.rule("SS-008")
@pytest.mark.rule("SS-027")
@pytest.mark.parametrize(
    "targets",
    [
        Targets(target_prefix=("203.0.113.0/24", "2001:db8:10::1/128")),
        Targets(target_fqdn=("acme.example", "WWW.ACME.example.")),
        Targets(target_uri=("https://shop.acme.example/", "https://203.0.113.9/")),
    ],
)
def test_a_client_may_request_protection_for_its_own_targets(targets: Targets) -> None:
    assert ACME.outside(targets) is None


@pytest.mark.rule("SS-008")
@pytest.mark.rule("SS-027")
@pytest.mark.parametrize(
    ("targets", "outside"),
    [
        (Targets(target_prefix=("203.0.113.7/32", "203.0.112.0/23")), "203.0.112.0/23"),
        (Targets(target_prefix=("2001:db8::/32",)), "2001:db8::/32"),
        (Targets(target_fqdn=("notacme.example",)), "notacme.example"),
        (Targets(target_uri=("https://198.51.100.1/",)), "https://198.51.100.1/"),
        (Targets(target_uri=("https://globex.example/",)), "https://globex.example/"),
    ],
)
def test_the_first_target_outside_the_domain_is_named(targets: Targets, outside: str) -> None:
    assert ACME.outside(targets) == outside


def test_without_names_in_the_list_names_are_not_checked() -> None:
    assert Entitlement.of(["203.0.113.0/24"]).outside(Targets(target_fqdn=("a.example",))) is None


@pytest.mark.parametrize("entry", ["203.0.113.7/24", "", "https://", "a b", "/24"])
def test_an_invalid_entry_in_the_list_of_clients_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a prefix, domain name or URI"):
        Entitlement.of([entry])


def test_a_uri_in_the_list_of_clients_means_its_host() -> None:
    entitlement = Entitlement.of(["https://shop.acme.example/pay", "https://203.0.113.9:8443/"])

    assert entitlement.outside(Targets(target_fqdn=("shop.acme.example",))) is None
    assert entitlement.outside(Targets(target_prefix=("203.0.113.9/32",))) is None
    assert entitlement.outside(Targets(target_prefix=("203.0.113.8/32",))) == "203.0.113.8/32"


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (
            Targets(target_prefix=("203.0.113.0/24",)),
            Targets(target_prefix=("203.0.113.7/32", "2001:db8::/32")),
            Targets(target_prefix=("203.0.113.7/32",)),
        ),
        (
            Targets(target_prefix=("2001:db8::1/128",)),
            Targets(target_prefix=("2001:db8::/32", "0.0.0.0/1")),
            Targets(target_prefix=("2001:db8::1/128",)),
        ),
        (
            Targets(target_fqdn=("WWW.example.",)),
            Targets(target_fqdn=("www.example",)),
            Targets(target_fqdn=("WWW.example.",)),
        ),
        (
            Targets(target_uri=("https://a/",), alias_name=("web",)),
            Targets(target_uri=("https://a/",), alias_name=("mail", "web")),
            Targets(target_uri=("https://a/",), alias_name=("web",)),
        ),
        (
            Targets(target_prefix=("203.0.113.0/25",)),
            Targets(target_prefix=("203.0.113.128/25",)),
            None,
        ),
    ],
)
def test_overlapping_targets_are_found(one: Targets, other: Targets, both: Targets | None) -> None:
    assert shared(one, other) == both


def test_ports_and_protocols_do_not_separate_requests() -> None:
    web = Targets(target_prefix=("203.0.113.7/32",), target_port_range=(PortRange(lower=80),))
    dns = Targets(target_prefix=("203.0.113.7/32",), target_protocol=(17,))

    assert shared(web, dns) == Targets(target_prefix=("203.0.113.7/32",))


@pytest.mark.rule("SS-038")
def test_the_order_of_lists_does_not_matter() -> None:
    one = Targets(target_prefix=("203.0.113.7/32", "2001:db8::/32"), target_protocol=(6, 17))
    other = Targets(target_prefix=("2001:DB8::/32", "203.0.113.7/32"), target_protocol=(17, 6))

    assert is_same_request(Scope(targets=one, lifetime=60), Scope(targets=other, lifetime=90))
    assert not is_same_request(Scope(targets=one), Scope(targets=other, trigger_mitigation=False))


def test_a_single_port_equals_a_range_of_one_port() -> None:
    one = Scope(targets=Targets(target_port_range=(PortRange(lower=80),)))
    other = Scope(targets=Targets(target_port_range=(PortRange(lower=80, upper=80),)))

    assert is_same_request(one, other)
