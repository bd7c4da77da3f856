"""Parse the bytes of one CoAP message strictly before aiocoap sees them; pure.

aiocoap reads numbers of any length, keeps every option number and Content-Format it ever saw, and
accepts invalid tokens. This module passes only valid CoAP on (RFC 7252 sections 3 and 5.4, RFC 8323
section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiocoap
from aiocoap.message import Direction
from aiocoap.numbers.optionnumbers import OptionNumber
from aiocoap.optiontypes import BlockOption, OpaqueOption, OptionType, StringOption, UintOption

from dots_client.codec.split import MAX_TOKEN_BYTES
from dots_client.errors import RemoteProtocolError

MAX_OPTIONS: Final = 64
"""Options in one message; the longest DOTS message has twelve."""
MAX_OPTION_NUMBER: Final = 2**16 - 1
UDP_HEADER_BYTES: Final = 4
PAYLOAD_MARKER: Final = 0xFF
EMPTY_CODE: Final = 0


class MalformedMessage(RemoteProtocolError):
    """A message format error: ignore the whole message (RFC 7252 section 4.2)."""


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """A valid message."""

    message: aiocoap.Message
    encoded: bytes
    "the whole message"
    not_read: tuple[str, ...] = ()
    "the ignored options as text"
    not_understood: tuple[int, ...] = ()
    "unknown critical options: the message must not be acted on (RFC 7252 section 5.4.1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """The definition of one option in RFC 7252 section 5.10 and its extensions."""

    name: str
    make: Callable[[OptionNumber, Any], OptionType]
    read: Callable[[bytes], Any]
    shortest: int = 0
    longest: int
    "length of its value in bytes"
    is_repeatable: bool = False


def _opaque(value: bytes) -> bytes:
    return value


def _text(value: bytes) -> str:
    return value.decode("utf-8")


def _uint(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _block(value: bytes) -> tuple[int, bool, int]:
    number = _uint(value)
    return number >> 4, bool(number & 8), number & 7


def _uint_option(name: str, longest: int) -> Option:
    # Content-Format and Accept are plain numbers too: aiocoap's own type keeps every value for
    # ever.
    return Option(name=name, make=UintOption, read=_uint, longest=longest)


def _path_option(name: str) -> Option:
    return Option(name=name, make=StringOption, read=_text, longest=255, is_repeatable=True)


OPTIONS: Final[Mapping[int, Option]] = {
    1: Option(name="If-Match", make=OpaqueOption, read=_opaque, longest=8, is_repeatable=True),
    3: Option(name="Uri-Host", make=StringOption, read=_text, shortest=1, longest=255),
    4: Option(
        name="ETag", make=OpaqueOption, read=_opaque, shortest=1, longest=8, is_repeatable=True
    ),
    5: Option(name="If-None-Match", make=OpaqueOption, read=_opaque, longest=0),
    6: _uint_option("Observe", 3),
    7: _uint_option("Uri-Port", 2),
    8: _path_option("Location-Path"),
    11: _path_option("Uri-Path"),
    12: _uint_option("Content-Format", 2),
    14: _uint_option("Max-Age", 4),
    15: _path_option("Uri-Query"),
    16: Option(name="Hop-Limit", make=UintOption, read=_uint, shortest=1, longest=1),
    17: _uint_option("Accept", 2),
    20: _path_option("Location-Query"),
    23: Option(name="Block2", make=BlockOption, read=_block, longest=3),
    27: Option(name="Block1", make=BlockOption, read=_block, longest=3),
    28: _uint_option("Size2", 4),
    35: Option(name="Proxy-Uri", make=StringOption, read=_text, shortest=1, longest=1034),
    39: Option(name="Proxy-Scheme", make=StringOption, read=_text, shortest=1, longest=255),
    60: _uint_option("Size1", 4),
}
"""The known options (RFC 7252, 7641, 7959 and 8768)."""

SIGNALS: Final[Mapping[int, Mapping[int, Option]]] = {
    aiocoap.CSM: {
        2: Option(name="Max-Message-Size", make=OpaqueOption, read=_opaque, longest=4),
        4: Option(name="Block-Wise-Transfer", make=OpaqueOption, read=_opaque, longest=0),
    }
}
"""The options of the signals of RFC 8323 section 5, by code. aiocoap parses their values itself."""


def read_datagram(data: bytes, *, max_bytes: int) -> IncomingMessage:
    """Parse one message over DTLS; MalformedMessage if it is invalid or longer than `max_bytes`."""
    if len(data) > max_bytes:
        raise MalformedMessage(f"{len(data)} bytes are more than the {max_bytes} of a datagram")
    if len(data) < UDP_HEADER_BYTES:
        raise MalformedMessage(f"{len(data)} bytes are not a CoAP message")
    version, token_length = data[0] >> 6, data[0] & 0x0F
    if version != 1:
        raise MalformedMessage(f"CoAP version {version} is not supported")
    code, message_id = data[1], _uint(data[2:4])
    if code == EMPTY_CODE and len(data) > UDP_HEADER_BYTES:
        raise MalformedMessage("an empty message has content")
    message = aiocoap.Message(code=code, _mid=message_id, _mtype=data[0] >> 4 & 0x03)
    return _read(message, data, at=UDP_HEADER_BYTES, token_length=token_length)


def read_frame(frame: bytes, *, header_bytes: int) -> IncomingMessage:
    """Parse one message over TLS, with the header before its token (RFC 8323 section 3.2).

    MalformedMessage if it is invalid.
    """
    message = aiocoap.Message(code=frame[header_bytes - 1])
    return _read(message, frame, at=header_bytes, token_length=frame[0] & 0x0F)


def _read(message: aiocoap.Message, data: bytes, *, at: int, token_length: int) -> IncomingMessage:
    if token_length > MAX_TOKEN_BYTES:
        raise MalformedMessage(f"a token of {token_length} bytes is too long")
    if at + token_length > len(data):
        raise MalformedMessage("the token is cut short")
    message.token = data[at : at + token_length]
    message.direction = Direction.INCOMING
    options = _Options(data, at + token_length)
    known = SIGNALS.get(message.code, {}) if message.code.is_signalling() else OPTIONS
    treated = _TreatedOptions()
    for number, value in options:
        treated.add(number, value, known.get(number), message.opt)
    message.payload = data[options.at :]
    return IncomingMessage(message, data, tuple(treated.not_read), tuple(treated.not_understood))


class _Options:
    """Iterates over the options from `at` on. Afterwards `at` is the start of the payload."""

    def __init__(self, data: bytes, at: int) -> None:
        self.at = at
        self._data = data

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        number = count = 0
        while self.at < len(self._data):
            head = self._data[self.at]
            self.at += 1
            if head == PAYLOAD_MARKER:
                if self.at == len(self._data):
                    raise MalformedMessage("there is no payload after its marker")
                return
            count += 1
            if count > MAX_OPTIONS:
                raise MalformedMessage(f"there are more than {MAX_OPTIONS} options")
            number += self._extended(head >> 4)
            length = self._extended(head & 0x0F)
            if number > MAX_OPTION_NUMBER:
                raise MalformedMessage(f"{number} is not an option number")
            yield number, self._take(length)

    def _extended(self, nibble: int) -> int:
        """A delta or a length (RFC 7252 section 3.1)."""
        match nibble:
            case 13:
                return 13 + _uint(self._take(1))
            case 14:
                return 269 + _uint(self._take(2))
            case 15:
                raise MalformedMessage("an option has a part of a payload marker")
        return nibble

    def _take(self, length: int) -> bytes:
        taken = self._data[self.at : self.at + length]
        if len(taken) < length:
            raise MalformedMessage("an option is cut short")
        self.at += length
        return taken


@dataclass(slots=True)
class _TreatedOptions:
    """How to treat each option (RFC 7252 sections 5.4.1, 5.4.3 and 5.4.5)."""

    not_read: list[str] = field(default_factory=list)
    not_understood: list[int] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def add(self, number: int, value: bytes, option: Option | None, taken: aiocoap.Options) -> None:
        """Treat a malformed option like an unknown one: as critical, or leave it out."""
        problem = "is not known" if option is None else self._problem(number, value, option)
        if option is not None and not problem:
            try:
                read = option.read(value)
            except UnicodeDecodeError:
                problem = "is not UTF-8"
            else:
                made = option.make(OptionNumber(number), read)
                taken.add_option(made)
                return
        name = f"option {number}" if option is None else option.name
        if number & 1:
            self.not_understood.append(number)
            self.not_read.append(f"{name}: {problem}, and it is critical")
        elif option is not None:
            self.not_read.append(f"{name}: {problem}")

    def _problem(self, number: int, value: bytes, option: Option) -> str:
        if not option.shortest <= len(value) <= option.longest:
            return f"has {len(value)} bytes"
        if number in self._seen and not option.is_repeatable:
            return "occurs twice"
        self._seen.add(number)
        return ""
