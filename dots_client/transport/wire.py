"""What went over the wire, one CoAP message at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import aiocoap
from aiocoap.optiontypes import BlockOption

Direction = Literal["sent", "received"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRecord:
    """One CoAP message, as it was sent or received."""

    direction: Direction
    at: float
    "seconds since 1970-01-01 UTC"
    kind: str
    "CON, NON, ACK or RST; TCP where messages have no type"
    code: str
    "as `0.03` or `2.01`; `0.00` is an empty message"
    path: str
    "of the request, also in its response where that is known"
    options: str
    "the other options, in words"
    payload: bytes
    size: int
    "bytes of the whole CoAP message"
    token: str
    "hexadecimal"
    message_id: int | None
    "None over TCP"


WireTap = Callable[[WireRecord], None]

_OPTION_NAMES = (
    ("if_match", "If-Match"),
    ("observe", "Observe"),
    ("content_format", "Content-Format"),
    ("max_age", "Max-Age"),
    ("uri_query", "Uri-Query"),
    ("block1", "Block1"),
    ("block2", "Block2"),
    ("etags", "ETag"),
    ("hop_limit", "Hop-Limit"),
)


def record(
    message: aiocoap.Message,
    *,
    direction: Direction,
    at: float,
    size: int,
    request: aiocoap.Message | None,
) -> WireRecord:
    """`request` is the one that a response belongs to."""
    source = message if message.code.is_request() else request
    return WireRecord(
        direction=direction,
        at=at,
        kind="TCP" if message.mid is None else message.mtype.name,
        code=message.code.dotted,
        path="/" + "/".join(source.opt.uri_path) if source is not None else "",
        options=", ".join(_options(message)),
        payload=message.payload,
        size=size,
        token=message.token.hex(),
        message_id=message.mid,
    )


def _options(message: aiocoap.Message) -> list[str]:
    summary = []
    for attribute, name in _OPTION_NAMES:
        value = getattr(message.opt, attribute)
        if value is None or value == ():
            continue
        summary.append(f"{name}={_in_words(value)}")
    return summary


def _in_words(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex() or "empty"
    if isinstance(value, BlockOption.BlockwiseTuple):
        return f"{value.block_number}/{int(value.more)}/{value.size}"
    if isinstance(value, tuple):
        return "&".join(_in_words(part) for part in value)
    if isinstance(value, int):
        return str(int(value))
    return str(value)
