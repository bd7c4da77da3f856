"""Encode a request as the client would: the final check, and its size.

A request accepted here can be sent, because the check runs the sending code itself (docs/adr/0021).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dots_client.rules import (
    EncodeError,
    Scope,
    encode_request,
    request_bytes,
    request_overhead_bytes,
)
from dots_client.rules import PortRange as WirePortRange
from dots_client.rules import Targets as WireTargets
from portal.core.targets import PortRange, Targets
from portal.mitigations.validation.lifetimes import within_limits
from portal.mitigations.validation.submission import AssignedScope, Errors

LONGEST_CUID: Final = "x" * 36
"""The length of a random cuid, taken after a collision; cuids from certificates have 22
characters.
"""
_FIELDS: Final[Mapping[str, str]] = {
    "target-port-range": "ports",
    "target-protocol": "protocols",
    "lifetime": "lifetime",
}
_PLACE: Final = re.compile(r"scope\[0\]\.([a-z-]+)(?:\[(\d+)\])?")


def wire_scope(
    targets: Targets,
    *,
    ports: Iterable[PortRange] = (),
    protocols: Iterable[int] = (),
    lifetime_s: int = 1,
    is_immediate: bool = True,
) -> Scope:
    """The scope that one provider is asked for."""
    return Scope(
        targets=WireTargets(
            target_prefix=tuple(map(str, targets.prefixes)),
            target_fqdn=targets.fqdns,
            target_uri=targets.uris,
            target_port_range=tuple(_port_range(port) for port in ports),
            target_protocol=tuple(protocols),
        ),
        lifetime=lifetime_s,
        trigger_mitigation=is_immediate,
    )


def _port_range(ports: PortRange) -> WirePortRange:
    upper = None if ports.upper == ports.lower else ports.upper
    return WirePortRange(lower=ports.lower, upper=upper)


def message_bytes(
    targets: Targets, *, ports: Iterable[PortRange] = (), protocols: Iterable[int] = ()
) -> int:
    """The size in bytes of the largest CoAP message for these: the request, its refreshes or an
    efficacy update.

    Raises EncodeError if the request must not be sent.
    """
    scope = wire_scope(targets, ports=ports, protocols=protocols, is_immediate=False)
    return request_overhead_bytes(LONGEST_CUID) + request_bytes(scope)


def encoded(
    targets: Targets, *, ports: Iterable[PortRange], protocols: Iterable[int], lifetime_s: int
) -> bytes:
    """The body of the message for one provider. Raises EncodeError if it must not be sent."""
    return encode_request(
        wire_scope(targets, ports=ports, protocols=protocols, lifetime_s=lifetime_s)
    )


def can_be_sent(scope: Scope) -> bool:
    """False for an old request whose targets the rules now refuse."""
    try:
        encode_request(scope)
    except EncodeError:
        return False
    return True


def check_encodes(
    assigned_scopes: Iterable[AssignedScope],
    *,
    ports: Sequence[PortRange],
    protocols: Sequence[int],
    lifetime_s: int,
    paths: Mapping[str, str],
    errors: Errors,
) -> None:
    """An error at each field that the client would refuse to send."""
    for assigned in assigned_scopes:
        scope = wire_scope(
            assigned.scope,
            ports=ports,
            protocols=protocols,
            lifetime_s=within_limits(lifetime_s, assigned.provider),
        )
        try:
            encode_request(scope)
        except EncodeError as error:
            message = f"The portal cannot send this to {assigned.provider.name}: {error.reason}."
            errors.add(_field_of(error, assigned.scope, paths), "not-sendable", message)
            return


def _field_of(error: EncodeError, targets: Targets, paths: Mapping[str, str]) -> str:
    """The API's field for an attribute of the encoder."""
    found = _PLACE.search(error.path)
    attribute, index = (found[1], found[2]) if found else ("", None)
    of_each_kind = {
        "target-prefix": targets.prefixes,
        "target-fqdn": targets.fqdns,
        "target-uri": targets.uris,
    }
    values = of_each_kind.get(attribute, ())
    if index is not None and int(index) < len(values):
        return paths.get(str(values[int(index)]), "targets")
    return _FIELDS.get(attribute, "targets")
