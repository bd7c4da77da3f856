"""A server that sends exactly the given bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from aiocoap import Message

from dots_client import Client, ClientSettings
from dots_client.transport.dtls_server import ServerSession
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SETTINGS, Scene, in_session, silence
from tests.dots_client.transport.loopback import until

T = TypeVar("T")

NON, ACK = 0x50, 0x60
CREATED, DELETED, CHANGED, CONTENT = 0x41, 0x42, 0x44, 0x45
BAD_REQUEST, NOT_FOUND, UNAVAILABLE = 0x80, 0x84, 0xA3

DOTS = b"\xc2\x01\x0f"
"""Content-Format 271."""
BODY = b"\xff"

URI_PATH = bytes.fromhex("bb2e77656c6c2d6b6e6f776e 04646f7473 086d69746967617465 06637569643d78")
"""`.well-known`, `dots`, `mitigate` and `cuid=x`, as options of a response."""
URI_QUERY = b"\xd3\x02c=a"
"""`c=a`, as the first option of a response."""

# Nothing else is answered and nothing polled, so the client knows only the bytes of the test.
PATIENT: ClientSettings = replace(SETTINGS, eager_poll_interval_s=60, poll_interval_s=60)


def say(session: ServerSession, message: bytes) -> None:
    """One datagram to the client."""
    engine = session._engine
    assert engine is not None
    engine.send(message)
    session._flush(engine)


def reply(
    request: Message, kind: int, code: int, rest: bytes, *, message_id: int | None = None
) -> None:
    """Answer with these options and this payload, by default under the request's own Message ID."""
    number = request.mid if message_id is None else message_id
    header = bytes([kind | len(request.token), code]) + number.to_bytes(2, "big")
    say(request.remote, header + request.token + rest)


class Replay:
    """A scene whose provider does not answer about mitigations and configuration."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.client: Client = scene.client
        scene.provider.script.extend([silence] * 100)
        scene.provider.config_script.extend([silence] * 100)

    @property
    def requests(self) -> list[Message]:
        return self.scene.provider.requests

    async def received(self, count: int) -> Message:
        """Wait for the request number `count`, from 1."""
        await until(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def result_of(
        self, ask: Callable[[Client], Awaitable[T]], kind: int, code: int, rest: bytes
    ) -> T:
        """The result of the client's next request, which gets this answer."""
        asking = asyncio.ensure_future(ask(self.client))
        reply(await self.received(len(self.requests) + 1), kind, code, rest)
        async with asyncio.timeout(5):
            return await asking


@asynccontextmanager
async def replaying(
    authority: Authority, settings: ClientSettings = PATIENT
) -> AsyncIterator[Replay]:
    async with in_session(authority, settings) as scene:
        yield Replay(scene)
