"""What people type as ports and protocols, and the result."""

from __future__ import annotations

import pytest

from portal.core.targets import PortRange, TargetError, protocol_number, read_ports, split_ports

TYPED: list[tuple[str, list[str]]] = [
    ("80", ["80"]),
    ("80 443", ["80", "443"]),
    ("80;443", ["80", "443"]),
    ("80\n443\r\n8080", ["80", "443", "8080"]),
    ("80, 443 and 8080", ["80", "443", "8080"]),
    ("80|443", ["80", "443"]),
    ("ports 80, 443", ["80", "443"]),
    ("80，443", ["80", "443"]),
    ("８０", ["80"]),
    ("٨٠", ["80"]),
    ("\ufeff80\u00a0443", ["80", "443"]),
    ("8000-8100", ["8000-8100"]),
    ("8000 - 8100", ["8000-8100"]),
    ("8000–8100", ["8000-8100"]),
    ("8000−8100", ["8000-8100"]),
    ("8000..8100", ["8000-8100"]),
    ("8000...8100", ["8000-8100"]),
    ("8000…8100", ["8000-8100"]),
    ("8000:8100", ["8000-8100"]),
    ("8000 to 8100", ["8000-8100"]),
    ("0-65535", ["0-65535"]),
    ("any", ["any"]),
    ("All", ["any"]),
    ("*", ["any"]),
    ("http", ["80"]),
    ("HTTP, https", ["80", "443"]),
    ("domain", ["53"]),
    ("dns ntp", ["53", "123"]),
    ("[443]", ["443"]),
    ("'443'", ["443"]),
    ("443.", ["443"]),
    # A later check names numbers that are too large or reversed.
    ("99999", ["99999"]),
    ("443-80", ["443-80"]),
    ("80/tcp", ["has-a-protocol: 80 protocol 6"]),
    ("80/TCP, 53/udp", ["has-a-protocol: 80 protocol 6", "has-a-protocol: 53 protocol 17"]),
    ("tcp/80", ["has-a-protocol: 80 protocol 6"]),
    ("tcp:80", ["has-a-protocol: 80 protocol 6"]),
    ("http/tcp", ["has-a-protocol: 80 protocol 6"]),
    ("8000-8100/tcp", ["has-a-protocol: 8000-8100 protocol 6"]),
    ("tcp", ["has-a-protocol: protocol 6"]),
    ("udp 53", ["has-a-protocol: protocol 17", "53"]),
    ("080", ["zero-padded: 80"]),
    ("1024-", ["not-a-port: 1024-65535"]),
    ("1024+", ["not-a-port: 1024-65535"]),
    (">1023", ["not-a-port"]),
    ("²", ["not-a-port"]),
    ("x", ["not-a-port"]),
    ("80/xyz", ["not-a-port"]),
    ("80.443", ["not-a-port"]),
    ("-80", ["not-a-port"]),
    ("0x50", ["not-a-port"]),
    ("1234567", ["not-a-port"]),
    ("9" * 5000, ["not-a-port"]),
    ("", []),
]


def as_text(ports: tuple[PortRange, ...]) -> str:
    return " ".join(
        f"{one.lower}-{one.upper}" if one.lower != one.upper else f"{one.lower}" for one in ports
    )


def outcome(text: str) -> str:
    try:
        found = read_ports(text)
    except TargetError as error:
        suggested = [
            " ".join([as_text(one.ports), *(f"protocol {number}" for number in one.protocols)])
            for one in error.suggestions
        ]
        return f"{error.code}: {' or '.join(suggested).strip()}" if suggested else error.code
    return "any" if found.is_any else as_text(found.ports)


@pytest.mark.parametrize(("text", "expected"), TYPED)
def test_typed_ports_are_read_or_refused_with_a_suggestion(text: str, expected: list[str]) -> None:
    assert [outcome(piece.text) for piece in split_ports(text)] == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [("6", 6), ("tcp", 6), ("TCP", 6), (" udp ", 17), ("icmp", 1), ("ICMPv6", 58), ("gre", 47),
    ("255", 255), ("٦", 6), ("256", 256)],
)  # fmt: skip
def test_a_protocol_is_read_by_name_or_number(text: str, number: int) -> None:
    assert protocol_number(text) == number


@pytest.mark.parametrize("text", ["", "²", "http", "tcp/6", "-1", "1234", "0x6", "\0"])
def test_an_invalid_protocol_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        protocol_number(text)
