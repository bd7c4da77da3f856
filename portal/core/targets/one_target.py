"""Parse text as one target: detect its kind, and handle what people write around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from portal.core.targets.addresses import is_like_an_address, read_prefix
from portal.core.targets.model import (
    MAX_SUGGESTED,
    Code,
    Kind,
    PortRange,
    Suggestion,
    Target,
    TargetError,
    Targets,
)
from portal.core.targets.names import normal_name
from portal.core.targets.networks import IPNetwork
from portal.core.targets.pasted_list import split
from portal.core.targets.ports_and_protocols import protocol_number, read_ports
from portal.core.targets.text import JOINERS, plain, without_joiners
from portal.core.targets.uris import read_uri

_OF_NAMES: Final = frozenset({Code.ONE_LABEL, Code.NOT_A_NAME, Code.NOT_IDNA, Code.HAS_A_PATH})
_NONE_OF_KIND: Final[Mapping[str, Code]] = {
    Kind.PREFIX: Code.NOT_A_PREFIX,
    Kind.URI: Code.NOT_A_URI,
}
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](/\d+)?")
_BROKEN_SCHEME: Final = re.compile(r"(https?)(?::/?|//)([^/:].*)", re.IGNORECASE)
_TRANSPORT: Final = re.compile(r"(tcp|udp)://([^/]+)", re.IGNORECASE)
_WITH_PORT: Final = re.compile(
    (
        r"(?P<host>\[[^\[\]]*\](?:/\d+)?|[^\[\]: "
        r"]+)(?::(?P<port>[^:/]*(?:/(?:tcp|udp|sctp))?(?:-\d+)?)| port (?P<named>\S+))"
    ),
    re.IGNORECASE,
)
_BESIDE_PORT: Final = re.compile(
    r"(?P<host>(?:\d+\.){3}\d+|[0-9a-f:]*::?[0-9a-f:]*)(?:[.#](?P<port>\d{1,5})|\((?P<in>\d{1,5})\))",
    re.IGNORECASE,
)
_WITH_PATH: Final = re.compile(r"(?P<host>[^/\[\]@ ]+|\[[^\[\]]*\](?::\d+)?)(?P<path>[/?#]\S*)")
_MAIL: Final = re.compile(r"(?:mailto:)?[^@/ ]+@(?P<name>[^@/ ]+)", re.IGNORECASE)


def read(text: str, kind: str = "") -> Target:
    """The target in `text`, of the given `kind` (prefix, fqdn, uri) if any.

    TargetError unless there is exactly one.
    """
    shape = plain(text)
    if not shape:
        raise TargetError(Code.EMPTY, text)
    if any(joiner in shape for joiner in JOINERS) and is_like_an_address(without_joiners(shape)):
        shape = without_joiners(shape)
    try:
        target = _target(shape)
    except TargetError as error:
        # An error about names does not help if a prefix or a web address was expected.
        if error.code in _OF_NAMES and not error.suggestions and kind in _NONE_OF_KIND:
            raise TargetError(_NONE_OF_KIND[kind], text) from None
        raise
    if kind and target.kind != kind:
        raise TargetError(
            Code.OTHER_KIND, text, (Suggestion(targets=(target,)),), kind=target.kind, wanted=kind
        )
    return target


def classify(text: str) -> Kind:
    """The kind that `text` was most likely meant to be, valid or not."""
    try:
        shape = plain(text)
    except TargetError:
        return Kind.FQDN
    if "://" in shape:
        return Kind.URI
    shape = _without_brackets_of_v6(without_joiners(shape))
    return Kind.PREFIX if is_like_an_address(shape) else Kind.FQDN


def parse_target(kind: str, text: str) -> str:
    """A target of `kind` (prefix, fqdn, uri) in normal form; TargetError if no provider can protect
    it.
    """
    return str(read(text, kind))


def parse_prefix(text: str) -> IPNetwork:
    [network] = Targets.of([read(text, Kind.PREFIX)]).prefixes
    return network


def parse_fqdn(text: str) -> str:
    return parse_target(Kind.FQDN, text)


def parse_uri(text: str) -> str:
    return parse_target(Kind.URI, text)


def normal_uri(uri: str) -> str:
    """Normal form of a URI, for comparing URIs that a provider spells or that were saved before
    normal forms.

    A URI without a normal form is returned unchanged.
    """
    try:
        return parse_uri(uri)
    except TargetError:
        return uri


def why_not(target: Target) -> TargetError | None:
    """Why no provider can protect a target that was accepted earlier; None if one can."""
    try:
        parse_target(target.kind, str(target))
    except TargetError as error:
        return error
    return None


def as_text(suggestion: Suggestion) -> str:
    """The targets of the suggestion, as text that replaces the refused one."""
    return ", ".join(map(str, suggestion.targets))


def _target(shape: str) -> Target:
    if match := _TRANSPORT.fullmatch(shape):
        raise _has_port(shape, match[2], protocol=match[1])
    if shape.startswith("//"):
        raise TargetError(Code.NOT_A_URI, shape, _suggested(f"https:{shape}"))
    if "://" in shape:
        if " " in shape and (several := _several(shape)).suggestions:
            raise several
        return Target(Kind.URI, read_uri(shape))
    if match := _BROKEN_SCHEME.fullmatch(shape):
        raise TargetError(Code.NOT_A_URI, shape, _suggested(f"{match[1]}://{match[2]}"))
    shape = _without_brackets_of_v6(shape)
    if is_like_an_address(shape):
        return _address(shape)
    _refuse_what_is_around_a_host(shape)
    if " " in shape or "," in shape:
        raise _several(shape)
    if "\\" in shape:
        raise TargetError(Code.BACKSLASH, shape, _suggested(_without_backslashes(shape)))
    if shape.startswith("*."):
        raise TargetError(Code.WILDCARD_NAME, shape)
    return Target(Kind.FQDN, normal_name(shape))


def _without_brackets_of_v6(shape: str) -> str:
    """`[2001:db8::]/48` without its brackets."""
    match = _BRACKETED.fullmatch(shape)
    return match[1] + (match[2] or "") if match else shape


def _without_backslashes(text: str) -> str:
    return text.replace("\\.", ".").replace("\\", "/")


def _address(shape: str) -> Target:
    try:
        return Target(Kind.PREFIX, read_prefix(shape))
    except TargetError as error:
        if error.code != Code.NOT_A_PREFIX:
            raise
        if " " in shape:
            raise _several(shape) from None
        _refuse_ports(shape)
        match = _WITH_PATH.fullmatch(shape)
        if match and re.search(r"[a-z]", match["path"], re.IGNORECASE):
            raise _has_path(shape, match["host"]) from None
        raise


def _refuse_what_is_around_a_host(shape: str) -> None:
    if match := _MAIL.fullmatch(shape):
        raise TargetError(Code.MAIL_ADDRESS, shape, _suggested(match["name"]))
    _refuse_ports(shape)
    if match := _WITH_PATH.fullmatch(shape):
        raise _has_path(shape, match["host"])


def _refuse_ports(shape: str) -> None:
    if match := _BESIDE_PORT.fullmatch(shape):
        raise _has_port(shape, match["host"], ports=match["port"] or match["in"])
    if match := _WITH_PORT.fullmatch(shape):
        port = match["port"] if match["named"] is None else match["named"]
        raise _has_port(shape, _without_brackets(match["host"]), ports=port)


def _without_brackets(host: str) -> str:
    return host.replace("[", "").replace("]", "")


def _has_port(shape: str, host: str, *, ports: str = "", protocol: str = "") -> TargetError:
    """The error for a `host` with a port after it, or inside it if it follows a transport."""
    if protocol and (match := _WITH_PORT.fullmatch(host)):
        host, ports = _without_brackets(match["host"]), match["port"] or ""
    try:
        alone: tuple[Suggestion, ...] = (Suggestion(targets=(read(host),)),)
    except TargetError as error:
        if not error.suggestions:
            return error
        alone = error.suggestions
    found, protocols = _ports(ports)
    if protocol:
        protocols = (protocol_number(protocol),)
    with_port = tuple(
        Suggestion(targets=one.targets, ports=found, protocols=protocols) for one in alone
    )
    suggestions = (*with_port, *alone) if found or protocols else alone
    if protocol and not ports:
        return TargetError(Code.HAS_A_PROTOCOL, shape, suggestions, protocol=protocol)
    return TargetError(Code.HAS_A_PORT, shape, suggestions, port=ports)


def _ports(text: str) -> tuple[tuple[PortRange, ...], tuple[int, ...]]:
    try:
        found = read_ports(text).ports
    except TargetError as error:
        suggestions = error.suggestions[:1]
        return (
            tuple(port for one in suggestions for port in one.ports),
            tuple(number for one in suggestions for number in one.protocols),
        )
    return tuple(one for one in found if one.is_valid), ()


def _has_path(shape: str, host: str) -> TargetError:
    scheme = "http" if host.endswith(":80") else "https"
    return TargetError(
        Code.HAS_A_PATH, shape, (*_suggested(f"{scheme}://{shape}"), *_suggested(host))
    )


def _several(shape: str) -> TargetError:
    pieces = [piece.text for piece in split(shape)]
    if len(pieces) < 2 or len(pieces) > MAX_SUGGESTED:
        return TargetError(Code.NOT_A_NAME, shape)
    found = [_one(piece) for piece in pieces]
    targets = tuple(dict.fromkeys(one for one in found if one is not None))
    suggestions = (Suggestion(targets=targets),) if None not in found else ()
    return TargetError(Code.SEVERAL, shape, suggestions, count=len(pieces))


def _one(text: str) -> Target | None:
    try:
        return read(text)
    except TargetError:
        return None


def _suggested(text: str) -> tuple[Suggestion, ...]:
    """The meaning of `text`, or replacements for it."""
    try:
        return (Suggestion(targets=(read(text),)),)
    except TargetError as error:
        return error.suggestions
