"""Addresses and prefixes, and the notations for several of them: masks, ranges, wildcards."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from dots_client.rules import forbidden_networks, prefix_violation
from portal.core.targets.model import (
    MAX_SUGGESTED,
    Code,
    Kind,
    Suggestion,
    Target,
    TargetError,
)
from portal.core.targets.networks import IPNetwork

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_RANGE: Final = re.compile(
    r"([0-9A-Fa-f.:]+?)(?: ?(?:-|\.{2,3}|…|~|→) ?| to )([0-9A-Fa-f.:]+)", re.IGNORECASE
)
_MASKED: Final = re.compile(
    (
        r"([\d.]+)(?:(?: ?/ ?| (?:net)?mask )(?P<named>\d+(?:\.\d+){3})| "
        r"(?P<beside>(?:0|255)(?:\.\d+){3}))"
    ),
    re.IGNORECASE,
)
_SPACED_LENGTH: Final = re.compile(r"([0-9A-Fa-f.:]+) ?/ ?(\d+)")
_QUAD: Final = re.compile(r"\d+(?:\.\d+){3}")
_WILDCARD: Final = re.compile(r"((?:\d{1,3}\.){1,3})(?:[*x]\.)*[*x]", re.IGNORECASE)
_SHORT_V4: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,2})\.?/(\d{1,2})")
_SHORT_V6: Final = re.compile(r"[23][0-9a-f]{3}(?::[0-9a-f]{1,4}){1,6}:?", re.IGNORECASE)
_ZERO_PADDED: Final = re.compile(r"(?<![\d.])0+\d+(?=\.)|(?<=\.)0+\d+(?![\dx])", re.IGNORECASE)
_COMMAS: Final = re.compile(r"\d{1,3}(?:,\d{1,3}){3}(?:/\d+)?")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.IGNORECASE)
_NUMBER_FORM: Final = re.compile(
    r"(?=.*0x)(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){0,3}(?:/\d+)?|\d+", re.IGNORECASE
)


def is_like_an_address(text: str) -> bool:
    """Whether `text` was meant as one or more addresses, valid or not."""
    return bool(
        re.fullmatch(r"[\d./* -]+", text)
        or _COMMAS.fullmatch(text)
        or (text.count(":") > 1 and re.fullmatch(r"[0-9a-f:.]*(?:[/%* -].*)?", text, re.IGNORECASE))
        or (_RANGE.fullmatch(text) and re.match(r"(?:\d+\.){3}\d+(?![\w])|[^-]*:", text))
        or _MASKED.fullmatch(text)
        or _WILDCARD.fullmatch(text)
        or _NUMBER_FORM.fullmatch(text)
        or re.fullmatch(r"\d+(?:\.\d+){3}[/%].*", text)
    )


def read_prefix(text: str) -> IPNetwork:
    """The network in `text` (as returned by `plain`).

    TargetError for everything else that looks like an address.
    """
    _refuse_disguised_numbers(text)
    if match := _MASKED.fullmatch(text):
        return _masked(match[1], match["named"] or match["beside"], text)
    if match := _SPACED_LENGTH.fullmatch(text):
        text = f"{match[1]}/{match[2]}"
    _refuse_ranges(text)
    address, slash, length = text.partition("/")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _no_prefix(text, address, length) from None
    if slash and not is_number(length):
        raise TargetError(Code.NOT_A_PREFIX, text)
    if "%" in text:
        raise TargetError(Code.ZONE, text, _without_zone(text))
    return _checked(ipaddress.ip_address(address), network, text)


def _checked(host: IPAddress, network: IPNetwork, text: str) -> IPNetwork:
    if host != network.network_address:
        meant = (ipaddress.ip_network(host), network)
        raise TargetError(
            Code.HOST_BITS_SET,
            text,
            [suggestion for one in meant for suggestion in suggest((one,))],
            length=network.prefixlen,
        )
    refuse_unprotectable(network, text)
    return network


def refuse_unprotectable(network: IPNetwork, text: str) -> None:
    """TargetError if no provider may be asked to protect `network`."""
    what, contained = _unprotectable(network)
    if what:
        raise TargetError(
            Code.NOT_PROTECTABLE, text, _as_ipv4(network), what=what, contained=contained
        )
    if violation := prefix_violation(str(network)):
        raise TargetError(Code.NOT_SENDABLE, text, reason=violation.reason)


def _unprotectable(network: IPNetwork) -> tuple[str, str]:
    """The reason why it is forbidden, and the forbidden network if that is only part of it; empty
    if it is allowed.
    """
    if network.is_unspecified or network.prefixlen == 0:
        return "every", ""
    if network.is_link_local:
        return "link-local", ""
    for what, forbidden in forbidden_networks(network):
        whole = forbidden.version == network.version and forbidden.supernet_of(network)  # type: ignore[arg-type]
        return what, "" if whole else str(forbidden)
    return "", ""


def suggest(networks: Iterable[IPNetwork]) -> tuple[Suggestion, ...]:
    """These networks as one suggestion; empty if one of them is forbidden."""
    found = tuple(networks)
    if any(_unprotectable(one)[0] for one in found):
        return ()
    return (Suggestion(targets=tuple(Target(Kind.PREFIX, one) for one in found)),)


def _as_ipv4(network: IPNetwork) -> tuple[Suggestion, ...]:
    """The same addresses in IPv4 notation if they are IPv4-mapped."""
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is None or network.prefixlen < 96:
        return ()
    return suggest((ipaddress.ip_network((mapped, network.prefixlen - 96)),))


def _refuse_disguised_numbers(text: str) -> None:
    quads = re.sub(r"/\d+$", "", text)
    if not re.search(r"[a-z:]", quads, re.IGNORECASE) and _ZERO_PADDED.search(quads):
        decimal = _ZERO_PADDED.sub(lambda one: str(int(one[0])), quads) + text[len(quads) :]
        raise TargetError(Code.ZERO_PADDED, text, suggestions_of(decimal))
    if _NUMBER_FORM.fullmatch(text):
        raise TargetError(Code.NUMBER_FORM, text)
    if match := _WILDCARD.fullmatch(text):
        octets = match[1].rstrip(".").split(".")
        whole = ".".join([*octets, *["0"] * (4 - len(octets))])
        raise TargetError(Code.WILDCARD, text, suggestions_of(f"{whole}/{8 * len(octets)}"))
    if _COMMAS.fullmatch(text):
        raise TargetError(Code.COMMAS, text, suggestions_of(text.replace(",", ".")))


def suggestions_of(text: str) -> tuple[Suggestion, ...]:
    """The meaning of `text`, or corrections for it."""
    try:
        return suggest((read_prefix(text),))
    except TargetError as error:
        return error.suggestions


def _masked(address: str, mask: str, text: str) -> IPNetwork:
    """`203.0.113.0 255.255.255.192`, or with the wildcard mask of an access list."""
    if mask == "0.0.0.0":  # noqa: S104 - a mask
        # An access list reads this mask as one host, a routing table as every address.
        raise TargetError(Code.NOT_A_MASK, text, suggestions_of(address), mask=mask)
    try:
        network = ipaddress.ip_network(f"{address}/{mask}", strict=False)
        host = ipaddress.ip_address(address)
    except ValueError:
        if not _QUAD.fullmatch(address) or any(int(one[:4]) > 255 for one in address.split(".")):
            raise _no_prefix(address, address, "") from None
        raise TargetError(Code.NOT_A_MASK, text, mask=mask) from None
    return _checked(host, network, text)


def _refuse_ranges(text: str) -> None:
    match = _RANGE.fullmatch(text)
    if match is None:
        return
    first = _bound(match[1])
    last = _bound(match[2]) or (first and _bound(_completed(match[1], match[2])))
    if first is None or last is None:
        wrong = match[1] if first is None else match[2]
        raise _no_prefix(wrong, wrong, "")
    if first.version != last.version:
        raise TargetError(Code.MIXED_RANGE, text)
    code = Code.RANGE if int(first) <= int(last) else Code.REVERSED_RANGE
    low, high = sorted((first, last), key=int)
    networks = _summary(low, high)
    if len(networks) > MAX_SUGGESTED:
        raise TargetError(Code.TOO_MANY_PREFIXES, text, count=len(networks), most=MAX_SUGGESTED)
    for network in networks:
        what, contained = _unprotectable(network)
        if what:
            raise TargetError(Code.NOT_PROTECTABLE, text, what=what, contained=contained)
    raise TargetError(code, text, suggest(networks), count=int(high) - int(low) + 1)


def _summary(low: IPAddress, high: IPAddress) -> list[IPNetwork]:
    """The fewest prefixes that hold these addresses and no others: at most 62 of IPv4,
    254 of IPv6.
    """
    if isinstance(low, ipaddress.IPv4Address) and isinstance(high, ipaddress.IPv4Address):
        return list(ipaddress.summarize_address_range(low, high))
    if isinstance(low, ipaddress.IPv6Address) and isinstance(high, ipaddress.IPv6Address):
        return list(ipaddress.summarize_address_range(low, high))
    return []


def _bound(text: str) -> IPAddress | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _completed(first: str, last: str) -> str:
    """Completes the end of a range: `9` after `203.0.113.4` is `203.0.113.9`, `ff` after
    `2001:db8::1` is `2001:db8::ff`.
    """
    if ":" in first:
        return f"{first.rpartition(':')[0]}:{last}"
    octets = last.split(".")
    return ".".join([*first.split(".")[: 4 - len(octets)], *octets])


def _without_zone(text: str) -> tuple[Suggestion, ...]:
    return suggestions_of(re.sub(r"%[^/]*", "", text))


def _no_prefix(text: str, address: str, length: str) -> TargetError:
    octets = address.split(".")
    if len(octets) == 4 and all(map(is_number, octets)):
        too_large = next((octet for octet in octets if int(octet[:9]) > 255), None)
        if too_large:
            return TargetError(Code.NOT_A_PREFIX, text, octet=too_large)
        if is_number(length) and int(length[:9]) > 32:
            return TargetError(Code.NOT_A_PREFIX, text, length=length, longest=32)
    if ":" in address and is_number(length) and int(length[:9]) > 128:
        return TargetError(Code.NOT_A_PREFIX, text, length=length, longest=128)
    if "%" in text and ":" in text:
        return TargetError(Code.ZONE, text, _without_zone(text))
    if "\\" in text:
        return TargetError(Code.BACKSLASH, text, suggestions_of(text.replace("\\", "/")))
    completed = _long_form(text)
    if completed or re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){1,2}", text):
        return TargetError(Code.SHORT_ADDRESS, text, completed)
    return TargetError(Code.NOT_A_PREFIX, text)


def _long_form(text: str) -> tuple[Suggestion, ...]:
    """`10/8` and `2001:db8:10` with the omitted zeros."""
    if match := _SHORT_V4.fullmatch(text):
        octets = match[1].split(".")
        if int(match[2]) <= 8 * len(octets):
            return suggestions_of(".".join([*octets, *["0"] * (4 - len(octets))]) + f"/{match[2]}")
    address, _, length = text.partition("/")
    if _SHORT_V6.fullmatch(address) and not _MAC.fullmatch(address):
        groups = address.rstrip(":").split(":")
        if not length or (is_number(length) and int(length[:4]) <= 16 * len(groups)):
            return suggestions_of(f"{':'.join(groups)}::/{length or 16 * len(groups)}")
    return ()


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
