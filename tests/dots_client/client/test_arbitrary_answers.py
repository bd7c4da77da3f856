"""An authenticated server that sends anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import aiocoap

from dots_client import Client, DotsError
from dots_client.client.heartbeats import MAX_OUTSTANDING_HEARTBEATS
from dots_client.client.request_layer import MAX_OUTSTANDING_REPEATS
from dots_client.transport.dtls import DtlsLink
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE, Scene, in_session, silence
from tests.dots_client.transport.loopback import until

VECTORS = Path(__file__).parents[1] / "vectors" / "rfc9132.json"
MESSAGES = 3000
BATCH = 20
TOKEN_AT = 4
CONCURRENT_REQUESTS = 4


class Bytes(aiocoap.Message):  # type: ignore[misc]  # aiocoap has no types
    """Sent as it is."""

    def __init__(self, data: bytes) -> None:
        super().__init__(code=aiocoap.EMPTY)
        self._data = data

    def encode(self) -> bytes:
        return self._data


def vectors() -> list[bytes]:
    return [
        bytes.fromhex(vector["coap_udp_hex"])
        for vector in json.loads(VECTORS.read_text())
        if vector.get("coap_udp_hex")
    ]


def arbitrary_message(rng: Random, sound: list[bytes], tokens: list[bytes]) -> bytes:
    """A message of the RFC with another type, code, ID or a token that we wait for,
    often damaged.
    """
    data = bytearray(rng.choice(sound))
    length = data[0] & 0x0F
    data[2:4] = rng.randbytes(2)
    if tokens and rng.random() < 0.7:
        token = rng.choice(tokens)
        data[TOKEN_AT : TOKEN_AT + length] = token
        data[0] = data[0] & 0xF0 | len(token)
    if rng.random() < 0.3:
        data[0] = data[0] & 0xCF | rng.randrange(4) << 4
    if rng.random() < 0.3:
        data[1] = rng.choice([0x00, 0x41, 0x44, 0x45, 0x5F, 0x80, 0x84, 0x89, 0xA3, 0xFF])
    for _ in range(rng.choice([0, 0, 1, 2])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(1, len(data) + 1)] if rng.random() < 0.1 else data)


async def ask_over_and_over(ask: Callable[[], Any]) -> None:
    while True:
        with suppress(DotsError):
            await ask()
        await asyncio.sleep(0)


async def watch_over_and_over(client: Client) -> None:
    while True:
        with suppress(DotsError):
            async with client.observe(1) as reports:
                async for report in reports:
                    assert report.mid in (None, 1)
        await asyncio.sleep(0)


class Backlog:
    """Datagrams that the server has sent and the client has not read."""

    def __init__(self, scene: Scene) -> None:
        self._sent = 0
        self._read = 0
        link = scene.client._requests.link
        assert isinstance(link, DtlsLink)
        self._receive = link.datagram_received
        link.datagram_received = self._note_read  # type: ignore[method-assign]
        scene.server.drop_outgoing = self._note_sent

    async def gone(self) -> None:
        """Send slowly: an overflow of a system buffer would prove nothing about the client."""
        await until(lambda: self._read >= self._sent)

    def _note_sent(self, _datagram: bytes, _address: object) -> bool:
        self._sent += 1
        return False

    def _note_read(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._read += 1
        self._receive(data, addr)


async def talk_nonsense(scene: Scene, *, seed: int) -> int:
    """The largest number of requests that waited for an answer."""
    rng = Random(seed)
    sound = vectors()
    waiting = scene.client._requests.link.endpoint.tokens.outgoing_requests
    backlog = Backlog(scene)
    most = 0
    for number in range(MESSAGES):
        tokens = [token for token, _ in waiting]
        scene.session.send_message(Bytes(arbitrary_message(rng, sound, tokens)))
        most = max(most, len(tokens))
        if number % BATCH == 0:
            await backlog.gone()
    await backlog.gone()
    return most


async def test_no_input_of_a_server_breaks_a_client_or_fills_its_memory(
    authority: Authority,
) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    async with in_session(authority) as scene:
        client = scene.client
        scene.provider.script.extend([silence] * 10_000)
        tasks = [
            asyncio.create_task(ask_over_and_over(lambda: client.request(1, SCOPE))),
            asyncio.create_task(ask_over_and_over(lambda: client.status(1))),
            asyncio.create_task(ask_over_and_over(client.configuration)),
            asyncio.create_task(watch_over_and_over(client)),
        ]
        most = await talk_nonsense(scene, seed=1)
        running = [not task.done() for task in tasks]
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        scene.provider.script.clear()

        assert all(running), ended
        assert await client.heartbeat() is True
        assert (await client.request(2, SCOPE)).mid == 2
    assert 1 <= most <= CONCURRENT_REQUESTS * MAX_OUTSTANDING_REPEATS + MAX_OUTSTANDING_HEARTBEATS
    assert complaints == []
