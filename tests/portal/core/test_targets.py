from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dots_client.rules import fqdn_violation, prefix_violation, uri_violation
from portal.core.targets import (
    ReportedTargets,
    Target,
    TargetError,
    Targets,
    Territory,
    classify,
    overlap,
    parse_fqdn,
    parse_prefix,
    parse_target,
    parse_uri,
)
from portal.core.wording import targets as words

ACME = Territory.of(
    [
        Target.saved("prefix", "203.0.113.0/24"),
        Target.saved("prefix", "2001:db8:10::/48"),
        Target.saved("fqdn", "acme.example"),
        Target.saved("uri", "https://partner.example/acme"),
    ]
)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.0/26", "203.0.113.0/26"),
        ("2001:DB8:10::1", "2001:db8:10::1/128"),
    ],
)
def test_an_address_or_prefix_is_read_in_normal_form(text: str, network: str) -> None:
    assert str(parse_prefix(text)) == network


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("203.0.113.300", "not-a-prefix", "203.0.113.300 is not an address: 300 is more than 255."),
        ("203.0.113.0/33", "not-a-prefix", "203.0.113.0/33 is not a prefix: /33 is more than 32."),
        ("2001:db8::/129", "not-a-prefix",
        "2001:db8::/129 is not a prefix: /129 is more than 128."),
        ("127.0.0.1", "not-protectable",
        "127.0.0.1 cannot be protected: it is a loopback address."),
        ("::1", "not-protectable", "::1 cannot be protected: it is a loopback address."),
        ("224.0.0.0/4", "not-protectable",
        "224.0.0.0/4 cannot be protected: it is a multicast address."),
        ("0.0.0.0/0", "not-protectable", "0.0.0.0/0 cannot be protected: it is every address."),
        ("255.255.255.255", "not-protectable",
        "255.255.255.255 cannot be protected: it is the broadcast address."),
        ("fe80::1", "not-protectable", "fe80::1 cannot be protected: it is a link-local address."),
    ],
)  # fmt: skip
def test_an_invalid_target_is_refused_with_its_value(text: str, code: str, sentence: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_prefix(text)

    assert (caught.value.code, words.sentence(caught.value)) == (code, sentence)


@pytest.mark.parametrize(
    ("text", "sentence", "fixes"),
    [
        ("0.0.0.0/1", "it contains loopback addresses (127.0.0.0/8)", []),
        ("192.0.0.0/2", "it contains multicast addresses (224.0.0.0/4)", []),
        ("::/1", "it contains loopback addresses (::1/128)", []),
        ("::fffe:0:0/95", "it contains IPv4 addresses written as IPv6 (::ffff:0:0/96)", []),
        ("::ffff:203.0.113.0/120", "it is an IPv4 address written as IPv6", ["203.0.113.0/24"]),
        ("::ffff:203.0.113.7", "it is an IPv4 address written as IPv6", ["203.0.113.7/32"]),
        ("::ffff:127.0.0.0/104", "it is an IPv4 address written as IPv6", []),
    ],
)
def test_a_prefix_with_a_forbidden_address_is_refused(
    text: str, sentence: str, fixes: list[str]
) -> None:
    with pytest.raises(TargetError) as caught:
        parse_prefix(text)

    assert words.sentence(caught.value) == f"{text} cannot be protected: {sentence}."
    assert [fix.value for fix in words.fixes(caught.value)] == fixes


@given(st.text(max_size=60), st.sampled_from(["prefix", "fqdn", "uri"]))
@example("203.0.113.0/²", "prefix")
@example("1.2.3.²", "prefix")
@example("a.example.²", "fqdn")
@example("https://a.example:²/", "uri")
@example("a\ud800.example", "fqdn")
def test_the_client_accepts_every_target_that_parses(text: str, kind: str) -> None:
    rules = {"prefix": prefix_violation, "fqdn": fqdn_violation, "uri": uri_violation}

    problem = refusal(partial(parse_target, kind), text)

    if problem is None:
        normal = parse_target(kind, text)
        assert rules[kind](normal) is None
        assert parse_target(kind, normal) == normal
    else:
        assert problem.code
        assert words.sentence(problem).isprintable()


@pytest.mark.parametrize("invisible", ["\ufeff", "\u200e", "\u200b", "\u2066", "\u00ad", " "])
@pytest.mark.parametrize("text", ["203.0.113.7", "shop.acme.example", "https://203.0.113.7/"])
def test_invisible_characters_of_a_paste_change_nothing(invisible: str, text: str) -> None:
    kind = classify(text)

    assert classify(f"{invisible}{text}{invisible}") == kind
    assert parse_target(kind, f"{invisible}{text}{invisible}") == parse_target(kind, text)


def test_host_bits_offer_both_corrections() -> None:
    with pytest.raises(TargetError) as caught:
        parse_prefix("203.0.113.7/24")

    assert caught.value.code == "host-bits-set"
    assert words.sentence(caught.value) == (
        "203.0.113.7/24 is not a network address: the part after /24 must be zero. "
        "Which did you mean?"
    )
    assert [(one.label, one.value) for one in words.fixes(caught.value)] == [
        ("Only 203.0.113.7", "203.0.113.7/32"),
        ("All 256 of 203.0.113.0/24", "203.0.113.0/24"),
    ]


def refusal(parse: Callable[[str], object], text: str) -> TargetError | None:
    """Any other exception of `parse` is a defect."""
    try:
        parse(text)
    except TargetError as error:
        return error
    return None


@given(st.text(max_size=300), st.sampled_from([parse_prefix, parse_fqdn, parse_uri]))
def test_any_text_is_a_target_or_a_target_error(text: str, parse: Callable[[str], object]) -> None:
    error = refusal(parse, text)

    assert error is None or words.sentence(error).isprintable()


@given(st.ip_addresses(v=4), st.integers(8, 32))
def test_a_network_is_read_back_as_itself(address: ipaddress.IPv4Address, length: int) -> None:
    network = ipaddress.ip_network((address, length), strict=False)
    error = refusal(parse_prefix, str(network))

    assert (error.code == "not-protectable") if error else parse_prefix(str(network)) == network


def test_names_are_compared_as_domains_not_text() -> None:
    assert ACME.has_name("shop.acme.example")
    assert not ACME.has_name("notacme.example")


def test_a_uri_belongs_to_the_owner_of_its_host() -> None:
    assert ACME.has_uri("https://shop.acme.example/login")
    assert ACME.has_uri("https://203.0.113.7/")
    assert ACME.has_uri("https://shop.acme.example./login")
    assert ACME.has_uri("https://partner.example/acme")
    assert not ACME.has_uri("https://partner.example/other")


@pytest.mark.parametrize("kept", ["https://PARTNER.example:443", "https://partner.example./"])
def test_a_uri_saved_before_normal_forms_still_matches(kept: str) -> None:
    assert Territory.of([Target.saved("uri", kept)]).has_uri(parse_uri("https://Partner.example"))
    assert not Territory.of([Target.saved("uri", kept)]).has_uri(
        parse_uri("https://partner.example/x")
    )


def test_a_network_is_owned_only_if_it_lies_entirely_inside() -> None:
    assert ACME.has_network(parse_prefix("203.0.113.64/27"))
    assert not ACME.has_network(parse_prefix("203.0.112.0/23"))
    assert not ACME.has_network(parse_prefix("2001:db8:11::/48"))


def test_networks_of_different_families_never_overlap() -> None:
    assert overlap(parse_prefix("203.0.113.0/24"), parse_prefix("203.0.113.9"))
    assert not overlap(parse_prefix("203.0.113.0/24"), parse_prefix("2001:db8:10::/48"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [("203.0.113.7", "prefix"), ("2001:db8::1", "prefix"), ("shop.example", "fqdn"),
     ("https://shop.example/", "uri"), ("203.0.113.300", "prefix")],
)  # fmt: skip
def test_free_text_is_read_as_the_kind_it_looks_like(text: str, kind: str) -> None:
    assert classify(text) == kind


@pytest.mark.parametrize(
    "text",
    ["shop", "-a.example", "a..example", "x" * 254, "a b.example", "", "203.0.113.7",
    "203.0.113.4-203.0.113.9"],
)  # fmt: skip
def test_an_invalid_name_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        parse_fqdn(text)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Bücher.Example.", "xn--bcher-kva.example"),
        # The characters that IDNA 2003 replaced: browsers follow IDNA 2008.
        ("faß.example", "xn--fa-hia.example"),
        ("βόλος.example", "xn--nxasmm1c.example"),
        ("نامه\u200cای.example", "xn--mgba3gch31f060k.example"),
        ("XN--FA-HIA.example", "xn--fa-hia.example"),
    ],
)
def test_a_name_is_normalized_to_lower_case_ascii(typed: str, kept: str) -> None:
    assert parse_fqdn(typed) == kept


@pytest.mark.parametrize(
    "text",
    [
        "https://",
        "ftp://a.example/",
        "https://a.example:99999/",
        "a.example",
        "https://a.example/a|b",
        "https://b.example\\@a.example/",
        "https://a.example/%zz",
        "https://a.example/\x7f",
    ],
)
def test_an_invalid_web_address_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        parse_uri(text)


@pytest.mark.parametrize(
    ("held", "targets", "unknown"),
    [
        (
            ReportedTargets(prefixes=("203.0.113.63/26", "2001:DB8:0::1", "203.0.113.0/26")),
            Targets.saved(prefixes=["203.0.113.0/26", "2001:db8::1/128"]),
            set(),
        ),
        (
            ReportedTargets(fqdns=("Shop.Example.",), uris=("HTTPS://Shop.example", "x:y")),
            Targets.saved(fqdns=["shop.example"], uris=["https://shop.example/", "x:y"]),
            set(),
        ),
        (
            ReportedTargets(prefixes=("nonsense", "203.0.113.0/33"), aliases=("shop",)),
            Targets(),
            {"nonsense", "203.0.113.0/33", "“shop”"},
        ),
    ],
)
def test_targets_of_a_provider_are_read_as_far_as_they_can_be(
    held: ReportedTargets, targets: Targets, unknown: set[str]
) -> None:
    assert held.targets == targets
    assert held.unknown == unknown
    assert len(held.texts) == sum(map(len, (held.prefixes, held.fqdns, held.uris, held.aliases)))
