"""Records of the CoAP messages of a session, for a journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import aiocoap
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import BlockOption

from dots_client.codec import not_read_of, to_json
from dots_client.errors import DecodeError
from dots_client.text import clean_text
from dots_client.transport.coap import dotted

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

_OPTION_NAMES: Final[Mapping[int, str]] = {
    OptionNumber.IF_MATCH: "If-Match",
    OptionNumber.ETAG: "ETag",
    OptionNumber.OBSERVE: "Observe",
    OptionNumber.CONTENT_FORMAT: "Content-Format",
    OptionNumber.MAX_AGE: "Max-Age",
    OptionNumber.URI_QUERY: "Uri-Query",
    OptionNumber.HOP_LIMIT: "Hop-Limit",
    OptionNumber.BLOCK2: "Block2",
    OptionNumber.BLOCK1: "Block1",
}


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
    path = "" if source is None else _path(source.opt.uri_path)
    return WireRecord(
        direction=direction,
        at=at,
        session=session,
        transport=transport,
        kind="TCP" if message.mid is None else message.mtype.name,
        code=dotted(message.code),
        path=path,
        options=clean_text(_options(message), MAX_WORDS),
        payload=message.payload,
        message=encoded,
        token=message.token.hex(),
        message_id=message.mid,
        answers=None if answered is None else _answered(answered, path),
        options_not_read=options_not_read,
    )


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean_text(name): _cleaned(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_cleaned(entry) for entry in value]
    return clean_text(value, MAX_BODY_TEXT) if isinstance(value, str) else value


def _answered(request: aiocoap.Message, path: str) -> AnsweredRequest:
    return AnsweredRequest(code=dotted(request.code), path=path, message_id=request.mid)


@lru_cache(maxsize=512)
def _path(segments: tuple[str, ...]) -> str:
    return clean_text("/" + "/".join(segments), MAX_WORDS)


def _options(message: aiocoap.Message) -> str:
    values: dict[str, list[str]] = {}
    for option in message.opt.option_list():
        if name := _OPTION_NAMES.get(option.number):
            values.setdefault(name, []).append(_in_words(option.value))
    return ", ".join(f"{name}={'&'.join(texts)}" for name, texts in values.items())


def _in_words(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex() or "empty"
    if isinstance(value, BlockOption.BlockwiseTuple):
        return f"{value.block_number}/{int(value.more)}/{value.size}"
    if isinstance(value, int):
        return str(int(value))
    return str(value)
