"""Answers that do not fit one datagram, block by block (RFC 7959, RFC 9132 section 4.4.2)."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Final

import aiocoap

MAX_KEPT: Final = 256
ETAG_BYTES: Final = 8
MAX_SIZE_EXPONENT: Final = 6

_Key = tuple[int, tuple[str, ...], tuple[str, ...]]


class Blocks:
    """Keeps answers that were sent in part, so that all blocks are of the same moment."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, aiocoap.Message] = OrderedDict()

    def first(self, response: aiocoap.Message, request: aiocoap.Message) -> aiocoap.Message:
        """The whole response if it fits, else its first block; all blocks have the same ETag."""
        wanted = request.opt.block2
        limit = request.remote.maximum_payload_size
        if wanted is not None:
            limit = min(limit, wanted.size)
        if len(response.payload) <= limit:
            return response
        response.opt.etag = sha256(response.payload).digest()[:ETAG_BYTES]
        key = _key_of(request)
        self._kept[key] = response
        self._kept.move_to_end(key)
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return _block(response, 0, _size_exponent(limit))

    def later(self, request: aiocoap.Message) -> aiocoap.Message:
        """The block that a follow-up asks for."""
        kept = self._kept.get(_key_of(request))
        wanted = request.opt.block2
        if kept is None or wanted.start >= len(kept.payload):
            return aiocoap.Message(
                code=aiocoap.REQUEST_ENTITY_INCOMPLETE, payload=b"start again with block 0"
            )
        return _block(kept, wanted.block_number, wanted.size_exponent)


def is_follow_up(request: aiocoap.Message) -> bool:
    return request.opt.block2 is not None and request.opt.block2.block_number > 0


def _block(response: aiocoap.Message, number: int, size_exponent: int) -> aiocoap.Message:
    size = 2 ** (size_exponent + 4)
    start = number * size
    block = aiocoap.Message(
        code=response.code,
        payload=response.payload[start : start + size],
        content_format=response.opt.content_format,
        etag=response.opt.etag,
        block2=(number, start + size < len(response.payload), size_exponent),
    )
    if number == 0:
        block.opt.observe = response.opt.observe
    return block


def _size_exponent(limit: int) -> int:
    """The largest block that fits: 16 bytes at 0, twice as many with each step."""
    return max(0, min(MAX_SIZE_EXPONENT, limit.bit_length() - 5))


def _key_of(request: aiocoap.Message) -> _Key:
    return (request.remote.serial, request.opt.uri_path, request.opt.uri_query)
