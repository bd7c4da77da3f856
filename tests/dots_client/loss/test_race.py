"""Parallel handshakes on a bad line open one session, not several."""

from __future__ import annotations

import asyncio

import pytest

from dots_client import ClientSettings, Server, connect
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, Provider, serving
from tests.dots_client.loss.relay import Weather, both_ways, relaying

DELAY_S = 0.02
RACING = ClientSettings(
    handshake_timeout_s=20, attack_handshake_repeat_s=0.1, reads_configuration=False
)


@pytest.mark.parametrize("seed", range(1, 4))
async def test_one_session_comes_out_of_a_race(authority: Authority, seed: int) -> None:
    async with (
        serving(authority, Provider()) as server,
        relaying(server.port, seed=seed, weather=both_ways(0.4, delay_s=DELAY_S)) as relay,
        connect(
            Server("provider.example", "127.0.0.1", relay.port),
            authority.client(),
            cuid=CUID,
            settings=RACING,
            is_under_attack=True,
        ) as client,
    ):
        relay.weather = Weather(delay_s=DELAY_S)
        async with asyncio.timeout(10):
            assert (await client.request(1, SCOPE)).mid == 1
        handshakes = {passage.client for passage in relay.passages}
        sessions = {passage.client for passage in relay.passages if passage.is_application_data}

    assert len(handshakes) > 1
    assert len(sessions) == 1
