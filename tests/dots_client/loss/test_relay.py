from __future__ import annotations

from random import Random

from tests.dots_client.loss.relay import Relay, Weather, both_ways, relaying
from tests.dots_client.transport.loopback import until

DATAGRAM = b"\x17" + bytes(20)
CLIENT = ("127.0.0.1", 40000)
DEAD_PORT = 9


async def fates(weather: Weather, *, seed: int, count: int = 200) -> tuple[list[bool], list[bool]]:
    """The datagrams that were lost, to the server and to the client."""
    relay = Relay(server_port=DEAD_PORT, rng=Random(seed), weather=weather)
    for _ in range(count):
        relay.from_client(DATAGRAM, CLIENT)
        relay.from_server(DATAGRAM, CLIENT)
    relay.close()
    up = [passage.is_lost for passage in relay.passages if passage.is_to_server]
    down = [passage.is_lost for passage in relay.passages if not passage.is_to_server]
    return up, down


async def test_each_direction_loses_its_share() -> None:
    up, down = await fates(Weather(lost_to_server=0.3, lost_to_client=1.0), seed=1)

    assert 40 <= sum(up) <= 80
    assert all(down)


async def test_the_same_seed_loses_the_same_datagrams() -> None:
    assert await fates(both_ways(0.5), seed=7) == await fates(both_ways(0.5), seed=7)
    assert await fates(both_ways(0.5), seed=7) != await fates(both_ways(0.5), seed=8)


async def test_the_tap_gets_sent_messages_even_if_they_are_lost() -> None:
    async with relaying(DEAD_PORT, weather=both_ways(1.0)) as relay:
        relay.from_client(DATAGRAM, CLIENT)
        relay.from_client(b"\x16" + bytes(20), CLIENT)

        assert len(relay.passages) == 2
        assert len(relay.sent_by_client()) == 1


async def test_a_delay_holds_a_datagram_back() -> None:
    delivered: list[bytes] = []
    relay = Relay(server_port=DEAD_PORT, rng=Random(1), weather=Weather(delay_s=0.01))

    relay._carry(DATAGRAM, CLIENT, is_to_server=False, deliver=delivered.append)

    assert delivered == []
    await until(lambda: delivered == [DATAGRAM])
