"""How often a client sends on a bad line, measured on the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from dots_client import (
    Client,
    ClientCache,
    ClientSettings,
    RetransmissionSettings,
    Server,
    WireRecord,
    connect,
)
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
    # Below the round trip, so that only the round trip limits it.
    retransmission=RetransmissionSettings(floor_s=RTT_S / 4),
    reads_configuration=False,
)
PATIENT = replace(EAGER, handshake_timeout_s=20, handshake_repeat_s=20)
LESS_THAN_A_REPEAT_S = 0.3
WEATHERS = [
    *(both_ways(share, delay_s=DELAY_S) for share in (0.0, 0.3, 0.5, 0.7, 0.9)),
    Weather(lost_to_client=1.0, delay_s=DELAY_S),
]


@asynccontextmanager
async def through(
    relay: Relay,
    authority: Authority,
    settings: ClientSettings = EAGER,
    *,
    on_wire: Callable[[WireRecord], None] | None = None,
    cache: ClientCache | None = None,
) -> AsyncIterator[Client]:
    async with connect(
        Server("provider.example", "127.0.0.1", relay.port),
        authority.client(),
        cuid=CUID,
        settings=settings,
        on_wire=on_wire,
        cache=cache,
    ) as client:
        yield client


async def ask_in(weather: Weather, port: int, authority: Authority, *, seed: int) -> list[float]:
    """When a client sent, from its first PUT to the confirmation, or for two seconds."""
    loop = asyncio.get_running_loop()
    calm = Weather(delay_s=weather.delay_s)
    sent: list[float] = []

    def note(record: WireRecord) -> None:
        if record.direction == "sent":
            sent.append(loop.time())

    async with (
        relaying(port, seed=seed, weather=calm) as relay,
        # Recorded by the sender: a busy machine may read them from the line later.
        through(relay, authority, on_wire=note) as client,
    ):
        # The messages at the beginning of the session do not count.
        await until(lambda: client.last_heard_at > client.connected_at)
        await asyncio.sleep(RTT_S)
        relay.weather = weather
        began_at = loop.time()
        try:
            async with asyncio.timeout(2):
                await client.request(seed, SCOPE)
        except TimeoutError:
            assert weather.lost_to_client >= 0.5
        times = [at for at in sent if at >= began_at]
        assert len(relay.sent_by_client(since=began_at)) <= len(times)
        return times


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


@asynccontextmanager
async def losing_each_flight_once(port: int) -> AsyncIterator[Relay]:
    """Only retransmissions get through, so the handshake does not measure the round trip."""
    loop = asyncio.get_running_loop()
    async with relaying(port, weather=Weather(lost_to_server=1.0)) as relay:

        def clear_up() -> None:
            if relay.on_passage is not None:
                relay.weather = CALM

        def lose_the_next_flight(passage: Passage) -> None:
            if passage.is_to_server:
                loop.call_later(LESS_THAN_A_REPEAT_S, clear_up)
            else:
                relay.weather = Weather(lost_to_server=1.0)

        relay.on_passage = lose_the_next_flight
        yield relay


@pytest.mark.rule("SC-019")
async def test_the_next_attempt_waits_three_seconds_without_an_estimate(
    authority: Authority,
) -> None:
    tries: list[float] = []
    async with (
        serving(authority, Provider()) as server,
        losing_each_flight_once(server.port) as relay,
        through(relay, authority, PATIENT) as client,
    ):
        relay.on_passage = None
        relay.weather = Weather(lost_to_client=1.0)
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


async def test_the_next_session_begins_with_the_round_trip_of_the_last(
    authority: Authority,
) -> None:
    cache = ClientCache()
    async with (
        serving(authority, Provider()) as server,
        losing_each_flight_once(server.port) as relay,
    ):
        lose, relay.on_passage = relay.on_passage, None
        relay.weather = Weather(delay_s=DELAY_S)
        async with through(relay, authority, PATIENT, cache=cache) as client:
            await client.heartbeat()
            known_s = client.rtt_s
        assert known_s is not None
        relay.weather, relay.on_passage = Weather(lost_to_server=1.0), lose

        async with through(relay, authority, PATIENT, cache=cache) as client:
            assert client.rtt_s == known_s


async def test_a_flight_without_retransmissions_measures_the_round_trip(
    authority: Authority,
) -> None:
    def end_storm(passage: Passage) -> None:
        if not passage.is_to_server:
            relay.weather = Weather(delay_s=DELAY_S)
            relay.on_passage = None

    async with (
        serving(authority, Provider()) as server,
        relaying(server.port, weather=Weather(lost_to_client=1.0)) as relay,
    ):
        relay.on_passage = end_storm
        async with through(relay, authority) as client:
            assert client.rtt_s is not None
            assert (
                RTT_S <= client.rtt_s < 1
            )  # the first flight took longer, because it was retransmitted


def test_the_measure_detects_datagrams_that_are_too_frequent() -> None:
    assert keeps_to_one_per_rtt([0.0, 0.1, 0.2], rtt_s=0.1)
    assert keeps_to_one_per_rtt([0.0, 0.01, 0.2], rtt_s=0.1)
    assert not keeps_to_one_per_rtt([0.0, 0.05, 0.1], rtt_s=0.1)
    assert most_per_rtt([5.0], rtt_s=0.1) == 0.0
    assert keeps_to_one_per_three_seconds([0.0, 3.0, 6.5])
    assert not keeps_to_one_per_three_seconds([0.0, 2.9])
    assert gaps([1.0, 4.0, 2.0]) == [1.0, 2.0]
