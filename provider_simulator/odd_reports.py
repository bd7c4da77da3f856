"""Reports of deployed servers that RFC 9132 does not allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import cbor2

from dots_client.server import cbor_key
from dots_server.messages import Response, text

UNKNOWN_KEY: Final = 7233
"""A comprehension-required key that is not assigned (RFC 9132 section 10.6.1.1)."""
_Scope = dict[int, Any]


def _set(name: str, value: Any) -> Callable[[list[_Scope]], None]:
    key = cbor_key(name)

    def spoil(scopes: list[_Scope]) -> None:
        for scope in scopes:
            scope[key] = value

    return spoil


def _add_stranger(scopes: list[_Scope]) -> None:
    scopes.append({cbor_key("mid"): "one", cbor_key("status"): "mitigating"})


def _add_unknown_key(scopes: list[_Scope]) -> None:
    for scope in scopes:
        scope[UNKNOWN_KEY] = [1, 2]


ODD_REPORTS: Final[Mapping[str, Callable[[list[_Scope]], None]]] = {
    "null-lifetime": _set("lifetime", None),
    "text-mitigation-start": _set("mitigation-start", "2026-11-28T18:00:00Z"),
    "fraction-counter": _set("bps-dropped", 12.5),
    "negative-counter": _set("bytes-dropped", -1),
    "bignum-counter": _set("pkts-dropped", 2**80),
    "unknown-attribute": _add_unknown_key,
    "odd-second-entry": _add_stranger,
}
"""The error in each report, by name."""


def spoiled(response: Response, oddity: str | None) -> Response:
    """The answer or notification with `oddity`, a key of `ODD_REPORTS`, in its reports.

    Refusals stay the same.
    """
    if oddity is None or not response.is_success or not response.payload:
        return response
    body = cbor2.loads(response.payload)
    for message in body.values():
        for scopes in message.values():
            ODD_REPORTS[oddity](scopes)
    return replace(response, payload=cbor2.dumps(body))


def without_mid(response: Response, mid: int) -> Response:
    """A list of mitigations without this one; 4.04 when it was the only one."""
    if not response.is_success:
        return response
    body = cbor2.loads(response.payload)
    [message] = body.values()
    [scopes] = message.values()
    scopes[:] = [scope for scope in scopes if scope[cbor_key("mid")] != mid]
    if not scopes:
        return text("4.04", "no mitigation known")
    return replace(response, payload=cbor2.dumps(body))
