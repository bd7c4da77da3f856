"""Split a scope that does not fit one datagram into several that do (RFC 9132 section 7.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from dots_client.codec.keys import UINT32
from dots_client.codec.messages import encode_request
from dots_client.codec.paths import mitigate_path
from dots_client.errors import EncodeError
from dots_client.model import AttackStatus, Scope, Targets

MAX_TOKEN_BYTES: Final = 8
HEADER_BYTES: Final = 4
IF_MATCH_BYTES: Final = 1
"""If-Match, empty, in efficacy updates."""
CONTENT_FORMAT_BYTES: Final = 3
PAYLOAD_MARKER_BYTES: Final = 1

_Network = IPv4Network | IPv6Network
_Target = tuple[str, str]
"""Name of its list in `Targets`, and its value."""


def request_overhead_bytes(cuid: str) -> int:
    """The most bytes that a CoAP message for a mitigation of `cuid` has besides its body.

    Over UDP (RFC 7252 section 3), with the longest mid, the longest token, and the If-Match of an
    efficacy update. Raises EncodeError for a cuid that does not fit a path.
    """
    segments = [segment.encode() for segment in mitigate_path(cuid, UINT32)]
    return (
        HEADER_BYTES
        + MAX_TOKEN_BYTES
        + IF_MATCH_BYTES
        # An option header has one byte, and one more if the value has 13 to 268 bytes.
        + sum(1 + (len(segment) > 12) + len(segment) for segment in segments)
        + CONTENT_FORMAT_BYTES
        + PAYLOAD_MARKER_BYTES
    )


def request_bytes(scope: Scope) -> int:
    """The most bytes in the body of a request for `scope` or an efficacy update."""
    # An efficacy update has one attribute more, but omits the filters.
    status = scope.attack_status if scope.acl_list else AttackStatus.UNDER_ATTACK
    return len(encode_request(replace(scope, lifetime=UINT32, attack_status=status)))


def split(scope: Scope, max_bytes: int) -> tuple[Scope, ...]:
    """Split `scope` into as few parts as possible with bodies of at most `max_bytes` each.

    `max_bytes` is `Client.max_message_bytes` (1195 bytes over IPv6) minus
    `request_overhead_bytes()`. A scope that fits is returned unchanged. Request each part under its
    own mid. Together they protect the same:

    * ports, protocols, lifetime and `trigger_mitigation` are in every part;
    * no two parts overlap, since the server would delete the one with the lower mid (section
      4.4.1.3): a prefix inside another one of the scope is left out, and a URI stays with its host;
    * the first part switches the filters.

    Raises EncodeError if the scope must not be sent at all, or if one target does not fit.
    """
    if request_bytes(scope) <= max_bytes:
        return (scope,)
    parts: list[Scope] = []
    held: list[_Target] = []
    for group in _inseparable(scope.targets):
        wanted = [*held, *group]
        if held and request_bytes(_part(scope, wanted, is_first=not parts)) > max_bytes:
            parts.append(_part(scope, held, is_first=not parts))
            wanted = group
        alone = _part(scope, wanted, is_first=not parts)
        if (size := request_bytes(alone)) > max_bytes:
            raise EncodeError(
                "mitigation-scope.scope[0]",
                f"{group[0][1]} with the ports, protocols and filters has {size} bytes, and "
                f"{max_bytes} are allowed",
            )
        held = wanted
    return (*parts, _part(scope, held, is_first=not parts))


def _part(scope: Scope, targets: list[_Target], *, is_first: bool) -> Scope:
    def of(name: str) -> tuple[str, ...]:
        return tuple(value for listed, value in targets if listed == name)

    return replace(
        scope,
        targets=replace(
            scope.targets,
            target_prefix=of("target_prefix"),
            target_fqdn=of("target_fqdn"),
            target_uri=of("target_uri"),
            alias_name=of("alias_name"),
        ),
        acl_list=scope.acl_list if is_first else (),
    )


def _inseparable(targets: Targets) -> Iterator[list[_Target]]:
    """The targets in groups that share no address, as far as their text shows."""
    networks = [ip_network(prefix) for prefix in targets.target_prefix]
    groups: dict[object, list[_Target]] = {}
    for network, prefix in zip(networks, targets.target_prefix, strict=True):
        if _widest(network, networks) == network:
            groups.setdefault(network, []).append(("target_prefix", prefix))
    for fqdn in targets.target_fqdn:
        groups.setdefault(_plain(fqdn), []).append(("target_fqdn", fqdn))
    for uri in targets.target_uri:
        groups.setdefault(_home(uri, networks), []).append(("target_uri", uri))
    for alias in targets.alias_name:
        groups.setdefault(("alias", alias), []).append(("alias_name", alias))
    yield from groups.values()


def _home(uri: str, networks: list[_Network]) -> object:
    """The group of a URI: the widest prefix around its address, or its host."""
    host = urlsplit(uri).hostname or ""
    try:
        return _widest(ip_network(ip_address(host)), networks)
    except ValueError:
        return _plain(host)


def _widest(network: _Network, networks: list[_Network]) -> _Network:
    around = [other for other in networks if _is_inside(network, other)]
    return min((network, *around), key=lambda other: other.prefixlen)


def _is_inside(inner: _Network, outer: _Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _plain(name: str) -> str:
    return name.lower().rstrip(".")
