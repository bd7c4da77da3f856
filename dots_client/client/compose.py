"""Compose a request for mitigation without sending it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiocoap import Code, Unreliable

from dots_client.client.request_layer import Request
from dots_client.codec import encode_request, mitigate_path, to_json
from dots_client.model import Scope
from dots_client.transport.coap import message_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The message that `Client.request()` would send."""

    path: str
    payload: bytes
    body: Any
    "the payload as JSON values with the names of RFC 9132"
    size: int
    "bytes of the whole CoAP message in a datagram"


def compose(scope: Scope, *, cuid: str, mid: int) -> Composed:
    """The request for `scope` under `mid`. Raises EncodeError for a scope that must not be sent."""
    payload = encode_request(scope)
    path = mitigate_path(cuid, mid)
    message = Request(code=Code.PUT, path=path, payload=payload).message(Unreliable())
    return Composed(
        path="/" + "/".join(path),
        payload=payload,
        body=to_json(payload),
        size=message_bytes(message),
    )
