"""Records of the CoAP messages of a session, for a journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiocoap
from aiocoap.optiontypes import BlockOption

from dots_client.codec import not_read_of, to_json
from dots_client.errors import DecodeError
from dots_client.text import clean_text

Direction = Literal["sent", "received"]

MAX_WORDS: Final = 400
"""The longest path, and the longest text for all options, in characters."""
MAX_BODY_TEXT: Final = 4096
"""Characters shown of a text in a body. The bytes are complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRequest:
    """The request that a response or notification belongs to. It has the token of the record."""

    code: str
    path: str
    message_id: int | None
    "None over TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRecord:
    """One CoAP message, before encryption or after decryption.

    It contains no key and no password: CoAP messages never do.
    """

    direction: Direction
    at: float
    "seconds since 1970-01-01 UTC"
    session: int
    "the number of the session in this process, as in `Client.serial`"
    transport: str
    "`dtls` or `tls`"
    kind: str
    "CON, NON, ACK or RST; TCP, where messages have no type"
    code: str
    "such as `0.03` or `2.01`; `0.00` is an empty message"
    path: str
    "of the request; in a response too, if its request is known"
    options: str
    "the other options as text"
    payload: bytes
    message: bytes
    "the whole message, header and payload"
    token: str
    "hexadecimal; a response has the token of its request"
    message_id: int | None
    "None over TCP; an ACK or RST has that of the message it refers to"
    answers: AnsweredRequest | None
    "None for a request, and for an answer that is no longer awaited"
    options_not_read: tuple[str, ...] = ()
    "the options of a received message that were left out"

    @property
    def not_read(self) -> tuple[str, ...]:
        """The parts of a received message that could not be read and were ignored, as text."""
        is_answer = self.direction == "received" and self.code[:1] in ("2", "4", "5")
        return (*self.options_not_read, *(not_read_of(self.payload) if is_answer else ()))

    @property
    def size(self) -> int:
        """Bytes of the whole CoAP message."""
        return len(self.message)

    @property
    def body(self) -> Any:
        """The payload as JSON values with the RFC's names, or as text; None when empty.

        All text is clean.
        """
        try:
            shown = to_json(self.payload)
        except DecodeError:
            shown = ""
        if shown is None or isinstance(shown, dict):
            return _cleaned(shown)
        return clean_text(self.payload, MAX_BODY_TEXT)


WireTap = Callable[[WireRecord], None]
"""Called in the event loop with each message. Must be quick and must not raise."""

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
    session: int,
    transport: str,
    encoded: bytes,
    request: aiocoap.Message | None,
    options_not_read: tuple[str, ...] = (),
) -> WireRecord:
    """`request` is the one that a response belongs to."""
    is_request = message.code.is_request()
    answered = None if is_request else request
    source = message if is_request else request
    return WireRecord(
        direction=direction,
        at=at,
        session=session,
        transport=transport,
        kind="TCP" if message.mid is None else message.mtype.name,
        code=message.code.dotted,
        path="" if source is None else _path(source),
        options=clean_text(", ".join(_options(message)), MAX_WORDS),
        payload=message.payload,
        message=encoded,
        token=message.token.hex(),
        message_id=message.mid,
        answers=None if answered is None else _answered(answered),
        options_not_read=options_not_read,
    )


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean_text(name): _cleaned(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_cleaned(entry) for entry in value]
    return clean_text(value, MAX_BODY_TEXT) if isinstance(value, str) else value


def _answered(request: aiocoap.Message) -> AnsweredRequest:
    return AnsweredRequest(code=request.code.dotted, path=_path(request), message_id=request.mid)


def _path(request: aiocoap.Message) -> str:
    return clean_text("/" + "/".join(request.opt.uri_path), MAX_WORDS)


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
