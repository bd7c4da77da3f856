"""A path that drops large datagrams and lets small ones pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiocoap import Code

from dots_client import Client, RequestTooLarge, Scope, Server, Targets, connect
from dots_client.client.path_mtu import CHECKS_TO_BE_SURE, COPIES_PER_CHECK, BlackHoleDetector
from dots_client.errors import Refused
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, REPEATING, SCOPE, Provider, serving
from tests.dots_client.loss.relay import Relay, Weather, both_ways, relaying

LARGE = Scope(
    targets=Targets(target_prefix=tuple(f"192.0.2.{host}/32" for host in range(50))),
    lifetime=3600,
)
NARROW = Weather(max_bytes=700)


@dataclass
class Narrow:
    client: Client
    provider: Provider
    relay: Relay


@pytest.fixture
async def path(authority: Authority) -> AsyncIterator[Narrow]:
    async with _path(authority) as path:
        yield path


@asynccontextmanager
async def _path(authority: Authority) -> AsyncIterator[Narrow]:
    provider = Provider()
    async with (
        serving(authority, provider) as server,
        relaying(server.port) as relay,
        connect(
            Server("provider.example", "127.0.0.1", relay.port, transports=("dtls",)),
            authority.client(),
            cuid=CUID,
            settings=REPEATING,
        ) as client,
    ):
        assert await client.heartbeat()
        yield Narrow(client, provider, relay)


@pytest.mark.rule("SC-127")
async def test_a_request_that_never_fits_the_path_is_too_large_with_both_sizes(
    path: Narrow,
) -> None:
    path.relay.weather = NARROW
    copies = 0

    def count(number: int) -> None:
        nonlocal copies
        copies = number

    with pytest.raises(RequestTooLarge, match="split its targets") as raised:
        await path.client.request(1, LARGE, on_sent=count)

    assert COPIES_PER_CHECK * CHECKS_TO_BE_SURE <= copies <= COPIES_PER_CHECK * 4
    assert raised.value.size > 700
    assert raised.value.limit == path.client.max_message_bytes < 548
    assert path.provider.asked(Code.PUT) == []


async def test_the_learned_path_mtu_holds_for_the_session(path: Narrow) -> None:
    path.relay.weather = NARROW
    with pytest.raises(RequestTooLarge):
        await path.client.request(1, LARGE)
    sent: list[int] = []

    with pytest.raises(RequestTooLarge):
        await path.client.request(2, LARGE, on_sent=sent.append)
    granted = await path.client.request(3, SCOPE)

    assert sent == []
    assert granted.lifetime == 3600


async def test_a_large_request_on_a_lossy_path_is_repeated_and_not_called_too_large(
    path: Narrow,
) -> None:
    path.relay.weather = both_ways(0.5)

    granted = await path.client.request(1, LARGE)

    assert granted.lifetime == 3600


@pytest.mark.parametrize("weather", [Weather(lost_to_client=1.0), Weather(lost_to_server=1.0)])
async def test_silence_alone_proves_nothing_about_the_path(path: Narrow, weather: Weather) -> None:
    path.relay.weather = weather
    enough = asyncio.Event()

    def count(number: int) -> None:
        if number > COPIES_PER_CHECK * (CHECKS_TO_BE_SURE + 1):
            enough.set()

    asking = asyncio.create_task(path.client.request(1, LARGE, on_sent=count))
    await asyncio.wait_for(enough.wait(), 30)
    assert not asking.done()

    path.relay.weather = Weather()
    assert (await asking).lifetime == 3600


async def test_copies_before_the_first_answer_prove_nothing_about_the_path() -> None:
    checks = 0

    async def is_known() -> None:
        nonlocal checks
        checks += 1
        # Copies that were lost while the path carried nothing at all, before it carried the answer.
        for _ in range(COPIES_PER_CHECK):
            detector.sent()
        await asyncio.sleep(0)
        raise Refused("4.04")

    detector = BlackHoleDetector(is_known)
    detecting = asyncio.create_task(detector.detected())
    for check in range(1, CHECKS_TO_BE_SURE + 1):
        assert not detecting.done()
        for _ in range(COPIES_PER_CHECK - 1):
            detector.sent()
        await _let_run()
        assert checks == check - 1
        detector.sent()
        await _let_run()
        assert checks == check

    assert detecting.done()


async def _let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_request_is_repeated_to_a_server_that_knows_it_but_does_not_answer(
    path: Narrow,
) -> None:
    await path.client.request(1, SCOPE)
    path.provider.silent_puts = COPIES_PER_CHECK * (CHECKS_TO_BE_SURE + 1)

    assert (await path.client.request(1, LARGE)).lifetime == 3600
    assert path.provider.silent_puts == 0


async def test_a_request_that_no_datagram_holds_says_nothing_about_the_path(path: Narrow) -> None:
    before = path.client.max_message_bytes
    hosts = tuple(f"192.0.2.{host}/32" for host in range(250))

    with pytest.raises(RequestTooLarge, match="one datagram holds"):
        await path.client.request(1, Scope(targets=Targets(target_prefix=hosts)))

    assert path.client.max_message_bytes == before
    assert (await path.client.request(2, LARGE)).lifetime == 3600
