from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from dots_client import Client, Memory, Server, connect
from dots_client.transport.association import Association
from dots_client.transport.dtls_server import serve_dtls
from dots_client.transport.server import ServerSettings
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, Provider


@pytest.mark.rule("SC-120")
@pytest.mark.rule("SC-124")
@pytest.mark.parametrize("resumes", [True, False])
async def test_a_ticket_from_idle_time_is_used_when_there_is_an_attack(
    resumes: bool,
    authority: Authority,
) -> None:
    memory, credentials = Memory(), authority.client()
    settings = replace(SETTINGS, resumes_sessions=resumes)
    listening = await serve_dtls(
        Provider(),
        host="127.0.0.1",
        port=0,
        credentials=authority.server(),
        settings=ServerSettings(hands_out_tickets=True),
    )
    server = Server("provider.example", "127.0.0.1", listening.port)
    async with connect(server, credentials, cuid=CUID, settings=settings, memory=memory) as idle:
        assert not _was_resumed(idle)
    async with connect(
        server, credentials, cuid=CUID, settings=settings, memory=memory, is_under_attack=True
    ) as client:
        assert _was_resumed(client) == resumes
        assert (await client.request(1, SCOPE)).mid == 1
    await listening.close()


def _was_resumed(client: Client) -> bool:
    return cast(Association, client._link.remote).was_resumed
