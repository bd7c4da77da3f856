"""Properties of any text typed as a target, ports or a protocol."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dots_client.rules import fqdn_violation, prefix_violation, uri_violation
from portal.core.targets import (
    MAX_SUGGESTED,
    Code,
    IPNetwork,
    Kind,
    PortRange,
    Target,
    TargetError,
    Targets,
    protocol_number,
    read,
    read_ports,
    split,
    split_ports,
)
from portal.core.wording import targets as words

RULES = {Kind.PREFIX: prefix_violation, Kind.FQDN: fqdn_violation, Kind.URI: uri_violation}
NOISE = st.sampled_from(
    [*"0123456789abfx.:/-[](){}<>%*@#?,;| \\'\"",
     "\u200b", "\u200d", "\ufeff", "\u00a0", "\u2013", "\u2026", "ß", "²", "٣", "．", "\u3002",
     "\ud800",
     "://", "https", "hxxp", "xn--", "203.0.113.", "2001:db8::", " to ", " - ", "255.255.", "0x",
     ".."]
)  # fmt: skip
TYPED = st.text(max_size=60) | st.lists(NOISE, max_size=12).map("".join)
PADDING = st.sampled_from(
    ["", " ", "\ufeff", "\u200b", "\u00a0", '"', "“", "(", "<", "\n", "\t", "> "]
)
ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)


HOSTS = st.from_regex(r"[a-z0-9.\-@%\\\[\]:ßé]{1,12}(\.[a-z0-9]{1,4}){0,2}\.?", fullmatch=True)
_Read = TypeVar("_Read")


def value_or_error(read: Callable[[], _Read]) -> _Read | TargetError:
    """Any other exception is a defect."""
    try:
        return read()
    except TargetError as error:
        return error


def outcome(text: str, kind: str = "") -> Target | TargetError:
    return value_or_error(lambda: read(text, kind))


@given(TYPED, st.sampled_from(["", *Kind]))
@example("203\\.0", "")
@example("xn--a.example", "fqdn")
@example("https://[fe80::1%25eth0]/", "uri")
@example("http://[::1", "")
def test_any_text_is_a_sendable_target_or_refused_with_a_sentence(text: str, kind: str) -> None:
    found = outcome(text, kind)

    targets = [found] if isinstance(found, Target) else []
    if isinstance(found, TargetError):
        assert words.sentence(found).isprintable()
        assert len(words.fixes(found)) == len(found.suggestions)
        targets = [one for suggestion in found.suggestions for one in suggestion.targets]
    for one in targets:
        assert RULES[one.kind](str(one)) is None
        # The normal form of a normal form is the same.
        assert read(str(one), one.kind) == one


@given(
    HOSTS,
    st.sampled_from(["", "https://", "https://me:secret@"]),
    st.sampled_from(["", "/", "/a?b#c"]),
)
@example("shop.example", "https://", "")
@example("203.0.113.7a", "", "")
def test_a_name_never_ends_in_a_number_and_a_uri_has_a_plain_host(
    host: str, before: str, path: str
) -> None:
    found = outcome(f"{before}{host}{path}")

    assert "secret" not in (found.text if isinstance(found, TargetError) else str(found))
    value = found.value if isinstance(found, Target) and isinstance(found.value, str) else ""
    match = re.fullmatch(r"(?:https://)?(\[[0-9a-f:]+\]|[a-z0-9._-]*)(?::\d+)?(?:/.*)?", value)
    assert match
    assert ".." not in match[1]
    if not re.fullmatch(r"[\d.]+|\[.*\]|", match[1]):
        assert not match[1].rpartition(".")[2][0].isdigit()


@given(ADDRESSES, st.integers(0, 128), PADDING, PADDING)
def test_a_network_with_any_decoration_is_read_unchanged_or_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int, before: str, after: str
) -> None:
    network = ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False)
    found = outcome(f"{before}{network}{after}")

    if isinstance(found, Target):
        assert found == Target(Kind.PREFIX, network)
    else:
        assert found.code == Code.NOT_PROTECTABLE


@given(
    st.ip_addresses(v=4),
    st.integers(1, 31),
    st.sampled_from([" ", "/", " / ", " mask "]),
    st.booleans(),
)
def test_a_mask_means_its_prefix(
    address: ipaddress.IPv4Address, length: int, between: str, is_wildcard: bool
) -> None:
    network = ipaddress.IPv4Network((address, length), strict=False)
    mask = network.hostmask if is_wildcard else network.netmask
    found = outcome(f"{network.network_address}{between}{mask}")

    if isinstance(found, Target):
        assert found == Target(Kind.PREFIX, network)
    else:
        # The mask of a very wide network can also be read as another address.
        is_wide = length < 8 and between == " "
        assert found.code == Code.NOT_PROTECTABLE or is_wide


@given(ADDRESSES, st.integers(0, 2**20), st.sampled_from(["-", " - ", "–", "..", " to "]))
@example(ipaddress.ip_address("203.0.113.4"), 5, "-")
def test_a_range_is_offered_as_exactly_its_addresses(
    first: ipaddress.IPv4Address | ipaddress.IPv6Address, size: int, between: str
) -> None:
    assume(int(first) + size < 2**first.max_prefixlen)
    found = outcome(f"{first}{between}{first + size}")

    assert isinstance(found, TargetError)
    if found.code == Code.RANGE:
        [suggestion] = found.suggestions
        networks = Targets.of(suggestion.targets).prefixes
        assert len(networks) <= MAX_SUGGESTED
        assert sum(one.num_addresses for one in networks) == size + 1
        assert min(map(lowest, networks)) == int(first)
        assert max(map(highest, networks)) == int(first) + size
    else:
        assert found.code in (Code.NOT_PROTECTABLE, Code.TOO_MANY_PREFIXES)
        assert not found.suggestions


def lowest(network: IPNetwork) -> int:
    return int(network.network_address)


def highest(network: IPNetwork) -> int:
    return int(network.broadcast_address)


@given(ADDRESSES, st.integers(0, 65_535))
def test_a_port_beside_an_address_is_offered_with_that_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    found = outcome(f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}")

    assert isinstance(found, TargetError)
    if found.code == Code.HAS_A_PORT:
        # An address that only IPv6 writes as IPv4 is offered in that form.
        for suggestion in found.suggestions:
            [offered] = Targets.of(suggestion.targets).prefixes
            assert highest(offered) % 2**32 == int(address) % 2**32
        assert found.suggestions[0].ports == (PortRange(port, port),)
    else:
        assert found.code == Code.NOT_PROTECTABLE


@given(TYPED)
def test_splitting_loses_only_separators(text: str) -> None:
    pieces = split(text)

    for piece in pieces:
        assert text[piece.start : piece.end] == piece.text
    places = [place for piece in pieces for place in (piece.start, piece.end)]
    assert places == sorted(places)
    for other in split_ports(text):
        assert text[other.start : other.end] == other.text


@given(TYPED)
@example("0080")
@example("80/tcp")
def test_any_text_is_ports_or_refused_with_a_sentence(text: str) -> None:
    found = value_or_error(lambda: read_ports(text))

    if isinstance(found, TargetError):
        assert words.sentence(found).isprintable()
        ports = [one for suggestion in found.suggestions for one in suggestion.ports]
        assert all(one.is_valid for one in ports)
    else:
        assert found.is_any == (found.ports == ())


@given(TYPED)
def test_any_text_is_a_protocol_or_refused(text: str) -> None:
    found = value_or_error(lambda: protocol_number(text))

    assert words.sentence(found).isprintable() if isinstance(found, TargetError) else found >= 0


@given(
    st.lists(st.builds(PortRange, st.integers(0, 65_535), st.integers(0, 65_535)), max_size=8),
    st.sampled_from([", ", " ", ";", "\n", " | ", ",", " and "]),
    st.sampled_from(["-", "–", "−", ":", "..", "...", " - ", " to "]),
)
def test_a_list_of_ports_is_read_with_any_separator(
    ports: list[PortRange], between: str, dash: str
) -> None:
    typed = between.join(
        str(one.lower) if one.lower == one.upper else f"{one.lower}{dash}{one.upper}"
        for one in ports
    )

    assert [read_ports(piece.text).ports[0] for piece in split_ports(typed)] == ports


GARBAGE = [
    "a", "1 ", ".", ":", "[", "[(", "-", "- ", "://", "//", "0.", "203.0.113.0 ", "1.2.3.4-", ",1",
    "xn--", "\u200b",
    "\u0301", "0x", "h**p", "(.)", "@", "a@", "1:", "80/", "%", "\\.", "255.255.255.0 ", "é",
    "x:1 port ", "...", "/32",
]  # fmt: skip


@pytest.mark.parametrize("size", [1024, 65_536])
@pytest.mark.parametrize("act", [outcome, split, split_ports, lambda text: [outcome(text + "!")]])
def test_garbage_is_refused_quickly(act: Callable[[str], object], size: int) -> None:
    for one in GARBAGE:
        text = (one * size)[:size]
        began = time.process_time()
        act(text)
        # Two seconds are a hundred times the usual time; quadratic code takes far longer.
        assert time.process_time() - began < 2, one
