"""Ports and protocols as people write them: `80 443`, `8000..8100`, `80/tcp`, `https`, `any`.

The names come from our own list: a machine's /etc/services must not decide what is requested.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from portal.core.targets.model import MAX_PORT, Code, PortRange, Suggestion, TargetError
from portal.core.targets.pasted_list import Piece
from portal.core.targets.text import DASHES, PUNCTUATION, visible

SERVICES: Final[Mapping[str, int]] = {
    "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "dns": 53, "tftp": 69, "http": 80,
    "www": 80,
    "kerberos": 88, "pop3": 110, "sunrpc": 111, "ntp": 123, "imap": 143, "snmp": 161, "bgp": 179,
    "ldap": 389,
    "https": 443, "smb": 445, "isakmp": 500, "syslog": 514, "submission": 587, "ldaps": 636,
    "dot": 853,
    "imaps": 993, "pop3s": 995, "openvpn": 1194, "mssql": 1433, "radius": 1812, "ssdp": 1900,
    "nfs": 2049,
    "mysql": 3306, "rdp": 3389, "ipsec-nat-t": 4500, "sip": 5060, "sips": 5061, "xmpp-client": 5222,
    "postgresql": 5432, "coap": 5683, "coaps": 5684, "wireguard": 51820,
}  # fmt: skip
"""IANA's names (Service Name and Transport Protocol Port Number Registry) and the short ones in
use.
"""

PROTOCOL_NAMES: Final[Mapping[int, str]] = {
    1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 33: "DCCP", 41: "IPv6", 47: "GRE",
    50: "ESP", 51: "AH", 58: "ICMPv6", 89: "OSPF", 103: "PIM", 112: "VRRP", 115: "L2TP",
    132: "SCTP", 136: "UDPLITE",
}  # fmt: skip
"""IANA's protocol numbers."""
PROTOCOL_NUMBERS: Final[Mapping[str, int]] = {
    **{name.lower(): number for number, name in PROTOCOL_NAMES.items()},
    "ipv6-icmp": 58,
    "icmp6": 58,
}

ANY: Final = frozenset({"any", "all", "*"})
MAX_WORD_LENGTH: Final = 64
"""Maximum characters of one port or range as typed."""

_SPACES_IN_RANGE: Final = re.compile(r"(?<=[0-9])[ \t]*(-|:|\.{2,3}|…|[ \t]to[ \t])[ \t]*(?=[0-9])")
_WORD: Final = re.compile(r"[^\s,;|&]+")
_RANGE: Final = re.compile(r"(\d{1,6})(?:(?:-|:|\.{2,3}|…)(\d{1,6}))?")
_WITH_PROTOCOL: Final = re.compile(r"(?P<ports>[^/]+)/(?P<protocol>[a-z0-9-]+)")
_BEFORE_PROTOCOL: Final = re.compile(r"(?P<protocol>[a-z][a-z0-9]*)[/:](?P<ports>[\d.…:-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortsRead:
    """A parsed piece of a list of ports."""

    ports: tuple[PortRange, ...]
    is_any: bool = False


def split_ports(text: str) -> list[Piece]:
    """The ports and ranges in `text`, in order; a range with spaces stays one."""
    same = text.translate(PUNCTUATION).translate(DASHES).replace("\u00a0", " ")
    # Underscores replace the spaces in ranges while the text is split; its length does not change.
    joined = _SPACES_IN_RANGE.sub(lambda one: re.sub(r"\s", "_", one[0]), same)
    return [
        Piece(text[one.start() : one.end()], one.start(), one.end())
        for one in _WORD.finditer(joined)
        if one[0] not in ("and", "port", "ports", "-")
    ]


def read_ports(text: str) -> PortsRead:
    """One piece of `split_ports`.

    Accepts numbers up to 999999, so that a later check can name the ones that are too large.
    """
    word = _plain(text)
    if word in ANY:
        return PortsRead(ports=(), is_any=True)
    if match := _RANGE.fullmatch(word):
        numbers = [one for one in match.groups() if one is not None]
        if any(len(one) > 1 and one.startswith("0") for one in numbers):
            decimal = PortRange(int(numbers[0]), int(numbers[-1]))
            raise TargetError(Code.ZERO_PADDED, text, _these(decimal))
        return PortsRead(ports=(PortRange(int(numbers[0]), int(numbers[-1])),))
    if word in SERVICES:
        return PortsRead(ports=(PortRange(SERVICES[word], SERVICES[word]),))
    raise _no_port(word, text)


def protocol_number(text: str) -> int:
    """The number of a protocol from its name or number; TargetError if it is neither."""
    word = _plain(text)
    if word in PROTOCOL_NUMBERS:
        return PROTOCOL_NUMBERS[word]
    if word.isascii() and word.isdigit() and len(word) <= 3:
        return int(word)
    raise TargetError(Code.NOT_A_PROTOCOL, text)


def _plain(text: str) -> str:
    word = visible(text).translate(PUNCTUATION).translate(DASHES).strip(" \"'()[]{}.").lower()
    if len(word) > MAX_WORD_LENGTH:
        return ""
    word = re.sub(r"\s+to\s+", "-", word)
    word = re.sub(r"\s*(-|:|\.{2,3}|…)\s*", r"\1", word)
    return "".join(
        str(unicodedata.decimal(char)) if unicodedata.category(char) == "Nd" else char
        for char in word
    )


def _no_port(word: str, text: str) -> TargetError:
    if word in PROTOCOL_NUMBERS:
        suggestion = Suggestion(protocols=(PROTOCOL_NUMBERS[word],))
        return TargetError(Code.HAS_A_PROTOCOL, text, (suggestion,), protocol=word)
    match = _BEFORE_PROTOCOL.fullmatch(word) or _WITH_PROTOCOL.fullmatch(word)
    if match and match["protocol"] in PROTOCOL_NUMBERS:
        try:
            read = read_ports(match["ports"])
        except TargetError:
            return TargetError(Code.NOT_A_PORT, text)
        number = PROTOCOL_NUMBERS[match["protocol"]]
        suggestion = Suggestion(ports=read.ports, protocols=(number,))
        if all(one.is_valid for one in read.ports):
            return TargetError(Code.HAS_A_PROTOCOL, text, (suggestion,), protocol=match["protocol"])
    if (match := re.fullmatch(r"(\d{1,5})[-+]", word)) and int(match[1]) <= MAX_PORT:
        return TargetError(Code.NOT_A_PORT, text, _these(PortRange(int(match[1]), MAX_PORT)))
    return TargetError(Code.NOT_A_PORT, text)


def _these(ports: PortRange) -> tuple[Suggestion, ...]:
    return (Suggestion(ports=(ports,)),) if ports.is_valid else ()
