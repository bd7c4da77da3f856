"""Tell a path that drops large datagrams (a black hole, RFC 4821) from one that loses many.

RFC 9132 section 7.3.

A path may drop every datagram above a size while heartbeats pass. After many repeats of a request,
a small GET asks for the same mitigation: if the server answers that it does not know it, no copy of
the request arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import aiocoap

from dots_client.client.request_layer import OnSent, Request, RequestLayer
from dots_client.client.responses import raise_for
from dots_client.errors import NoAnswer, Refused, RequestTooLarge, ServerUnavailable
from dots_client.transport.coap import message_bytes

COPIES_PER_CHECK: Final = 8
"""On a path that loses half of all datagrams, the chance that none of this many copies arrives is 1
in 256."""
CHECKS_TO_BE_SURE: Final = 2
CHECK_DEADLINE_S: Final = 3.0
_NOT_FOUND: Final = "4.04"


class BlackHoleDetector:
    """Counts the copies of one request.

    `is_known` asks the server for its mid in a small message.
    """

    def __init__(self, is_known: Callable[[], Awaitable[object]]) -> None:
        self._is_known = is_known
        self._enough_copies = asyncio.Event()
        self._copies = 0

    def sent(self) -> None:
        """Count one more copy."""
        self._copies += 1
        if self._copies == COPIES_PER_CHECK:
            self._enough_copies.set()

    async def detected(self) -> None:
        """Return when it is certain that the server answers but no copy arrived.

        Otherwise wait for ever.
        """
        unknown = 0
        while unknown < CHECKS_TO_BE_SURE:
            await self._enough_copies.wait()
            unknown = unknown + 1 if await self._is_unknown() else 0
            # The path may have carried nothing at all until this answer. Only copies that follow it
            # and are lost before the next one show that the path drops them and not small messages.
            self._copies = 0
            self._enough_copies.clear()

    async def _is_unknown(self) -> bool:
        try:
            await self._is_known()
        except Refused as refusal:
            return refusal.code == _NOT_FOUND
        except (NoAnswer, ServerUnavailable):
            return False
        return False


async def request_within_path_mtu(
    requests: RequestLayer, request: Request, *, probe: Request, on_sent: OnSent | None
) -> aiocoap.Message:
    """The answer to `request`, as from `RequestLayer.request()`.

    Raises RequestTooLarge when the path drops its copies while it carries `probe`, a small GET
    about the same mitigation; from then on the session sends no message of that size.
    """
    link = requests.link
    size = message_bytes(request.message(aiocoap.Unreliable()))
    if size <= link.safe_message_bytes:
        return await requests.request(request, on_sent=on_sent)

    async def is_known() -> None:
        raise_for(await requests.request(probe, deadline_s=CHECK_DEADLINE_S))

    detector = BlackHoleDetector(is_known)

    def count(copies: int) -> None:
        detector.sent()
        if on_sent is not None:
            on_sent(copies)

    asking = asyncio.ensure_future(requests.request(request, on_sent=count))
    detecting = asyncio.ensure_future(detector.detected())
    try:
        await asyncio.wait({asking, detecting}, return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            return asking.result()
        detecting.result()
        limit = link.safe_message_bytes
        link.lower_message_bytes()
        raise RequestTooLarge(size, limit, bound="the path to the server carries")
    finally:
        asking.cancel()
        detecting.cancel()
        await asyncio.gather(asking, detecting, return_exceptions=True)
