from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import NoReturn

import pytest

from dots_client import ClientCache, ClientSettings, PeerUnreachable, Server
from dots_client.client import connector
from dots_client.client.connector import Connector
from dots_client.session import Candidate
from dots_client.transport.attempt import Attempt
from dots_client.transport.network import has_route
from tests.dots_client.authority import Authority


@pytest.mark.rule("SC-104")
async def test_an_ipv4_alternate_is_reached_through_nat64_without_ipv4(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def open_dtls(attempt: Attempt) -> NoReturn:
        tried.append(attempt.host)
        await asyncio.sleep(0)
        raise PeerUnreachable("nobody there")

    monkeypatch.setattr(connector, "has_route", lambda address: ":" in address)
    server = Server("alt.example", addresses=("198.41.0.4", "2001:db8::7"))
    connector_ = Connector(
        server,
        authority.client(),
        settings=ClientSettings(open_dtls=open_dtls),
        cache=ClientCache(),
    )

    with pytest.raises(PeerUnreachable):
        await connector_.open(None, is_under_attack=False)

    assert set(tried) == {"64:ff9b::c629:4", "2001:db8::7"}


def test_there_is_a_route_to_this_machine_and_none_to_a_neighbour_of_no_known_link() -> None:
    assert has_route("127.0.0.1")
    assert not has_route("fe80::1")


async def test_a_measured_round_trip_sets_the_pace_of_handshakes_under_attack(
    authority: Authority,
) -> None:
    begun: list[float] = []

    async def open_dtls(attempt: Attempt) -> NoReturn:
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(attempt.timeout_s)
        raise PeerUnreachable("nobody there")

    cache, server = ClientCache(), Server("192.0.2.1", addresses=("192.0.2.1",))
    settings = ClientSettings(
        handshake_timeout_s=0.6, attack_handshake_timeout_s=0.6, open_dtls=open_dtls
    )
    cache.history(server).measured(
        Candidate("dtls", "192.0.2.1:4646"), rtt_s=0.01, now=asyncio.get_running_loop().time()
    )
    connector_ = Connector(server, authority.client(), settings=settings, cache=cache)
    for is_under_attack in (True, False):
        with pytest.raises(PeerUnreachable):
            await connector_.open(None, is_under_attack=is_under_attack)
        begun.append(0.0)

    in_attack, in_peace = begun[: begun.index(0.0)], begun[begun.index(0.0) + 1 : -1]
    assert len(in_attack) > 1
    assert min(later - earlier for earlier, later in pairwise(in_attack)) >= 0.24
    assert len(in_peace) == 1
