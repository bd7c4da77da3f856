"""How often a client sends on a bad line, read on the line itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dots_client import Client, ClientSettings, RetransmissionSettings, Server, connect
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, Provider, serving
from tests.dots_client.loss.pacing import (
    gaps,
    keeps_to_one_per_rtt,
    keeps_to_one_per_three_seconds,
    most_per_rtt,
)
from tests.dots_client.loss.relay import CALM, Passage, Relay, Weather, both_ways, relaying
from tests.dots_client.transport.loopback import until

DELAY_S = 0.04
RTT_S = 2 * DELAY_S
EAGER = ClientSettings(
    handshake_timeout_s=5,
    # Below the round trip, so that nothing but the round trip holds it back.
    retransmission=RetransmissionSettings(floor_s=RTT_S / 4),
    reads_configuration=False,
)
WEATHERS = [
    *(both_ways(share, delay_s=DELAY_S) for share in (0.0, 0.3, 0.5, 0.7, 0.9)),
    Weather(lost_to_client=1.0, delay_s=DELAY_S),
]


@asynccontextmanager
async def through(
    relay: Relay, authority: Authority, settings: ClientSettings = EAGER
) -> AsyncIterator[Client]:
    async with connect(
        Server("provider.example", "127.0.0.1", relay.port),
        authority.client(),
        cuid=CUID,
        settings=settings,
    ) as client:
        yield client


async def ask_in(weather: Weather, port: int, authority: Authority, *, seed: int) -> list[float]:
    """When a client sent, from its first PUT until it was confirmed or two seconds were over."""
    loop = asyncio.get_running_loop()
    calm = Weather(delay_s=weather.delay_s)
    async with (
        relaying(port, seed=seed, weather=calm) as relay,
        through(relay, authority) as client,
    ):
        # What it said of itself when it connected is not part of the question.
        await until(lambda: client.last_heard_at > client.connected_at)
        await asyncio.sleep(RTT_S)
        relay.weather = weather
        began_at = loop.time()
        try:
            async with asyncio.timeout(2):
                await client.request(seed, SCOPE)
        except TimeoutError:
            assert weather.lost_to_client >= 0.7
        return relay.sent_by_client(since=began_at)


@pytest.mark.rule("SC-017")
@pytest.mark.rule("SC-018")
async def test_no_loss_makes_a_client_send_more_than_once_per_round_trip(
    authority: Authority,
) -> None:
    async with serving(authority, Provider()) as server:
        sent = await asyncio.gather(
            *(
                ask_in(weather, server.port, authority, seed=seed)
                for seed, weather in enumerate(WEATHERS * 3, start=1)
            )
        )

    assert all(keeps_to_one_per_rtt(times, rtt_s=RTT_S) for times in sent)
    assert max(len(times) for times in sent) > 8


@pytest.mark.rule("SC-019")
async def test_without_an_estimate_the_next_try_waits_three_seconds(authority: Authority) -> None:
    def end_storm(passage: Passage) -> None:
        if not passage.is_to_server:
            relay.weather = CALM
            relay.on_passage = None

    async with (
        serving(authority, Provider()) as server,
        relaying(server.port, weather=Weather(lost_to_client=1.0)) as relay,
    ):
        # The first flight of the server is lost, so the handshake says nothing of the round trip.
        relay.on_passage = end_storm
        relay.storm = Weather(lost_to_client=1.0)
        tries: list[float] = []
        async with through(relay, authority) as client:
            assert client.rtt_s is None
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3.9):
                    await client.request(
                        1,
                        SCOPE,
                        on_sent=lambda _number: tries.append(asyncio.get_running_loop().time()),
                    )

    assert len(tries) == 2
    assert keeps_to_one_per_three_seconds(tries)


def test_the_measure_tells_too_often_from_often_enough() -> None:
    assert keeps_to_one_per_rtt([0.0, 0.1, 0.2], rtt_s=0.1)
    assert keeps_to_one_per_rtt([0.0, 0.01, 0.2], rtt_s=0.1)
    assert not keeps_to_one_per_rtt([0.0, 0.05, 0.1], rtt_s=0.1)
    assert most_per_rtt([5.0], rtt_s=0.1) == 0.0
    assert keeps_to_one_per_three_seconds([0.0, 3.0, 6.5])
    assert not keeps_to_one_per_three_seconds([0.0, 2.9])
    assert gaps([1.0, 4.0, 2.0]) == [1.0, 2.0]
