from __future__ import annotations

from dataclasses import replace

import pytest

from dots_client import ClientCache, ClientSettings, Server, connect
from dots_client.transport.coap_server import ServerSettings
from dots_client.transport.dtls_server import serve_dtls
from dots_client.transport.tls_server import serve_tls
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, Provider

SERVES = {"dtls": serve_dtls, "tls": serve_tls}


@pytest.mark.rule("SC-120")
@pytest.mark.rule("SC-124")
@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("resumes", [True, False])
async def test_a_ticket_from_idle_time_is_used_when_there_is_an_attack(
    resumes: bool, transport: str, authority: Authority
) -> None:
    cache, credentials = ClientCache(), authority.client()
    settings = replace(SETTINGS, resumes_sessions=resumes)
    listening = await SERVES[transport](
        Provider(),
        host="127.0.0.1",
        port=0,
        credentials=authority.server(),
        settings=ServerSettings(hands_out_tickets=True),
    )
    server = Server("provider.example", "127.0.0.1", listening.port, transports=(transport,))
    async with connect(server, credentials, cuid=CUID, settings=settings, cache=cache) as idle:
        assert not idle.was_resumed
    async with connect(
        server, credentials, cuid=CUID, settings=settings, cache=cache, is_under_attack=True
    ) as client:
        assert client.was_resumed == resumes
        assert (await client.request(1, SCOPE)).mid == 1
    await listening.close()


@pytest.mark.rule("SC-120")
def test_sessions_are_resumed_by_default() -> None:
    assert ClientSettings().resumes_sessions
