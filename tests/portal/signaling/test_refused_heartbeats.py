"""A server that completes the handshake but refuses every message: the row says so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiocoap import Code

from dots_client.transport.dtls_server import serve_dtls
from portal.providers.models import SessionState, Subscription
from portal.signaling.database_threads import DatabaseThreads
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import Provider, answer
from tests.portal.signaling.session_managers import db, point_to, running_manager, until_row

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def stranger(acme_northgate: Subscription) -> AsyncIterator[Provider]:
    """A provider that does not know the certificate of the subscription."""
    authority, provider = Authority(), Provider()
    provider.heartbeat_answer = answer(Code.UNAUTHORIZED, b"could not get peer common name")
    server = await serve_dtls(provider, host="127.0.0.1", port=0, credentials=authority.server())
    client = authority.client()
    await db(lambda: point_to(acme_northgate, server.port, authority, client))
    yield provider
    await server.close()


async def test_the_row_has_the_code_of_refused_heartbeats_while_they_are_refused(
    acme_northgate: Subscription, stranger: Provider, threads: DatabaseThreads
) -> None:
    async with running_manager(acme_northgate, threads):
        row = await until_row(acme_northgate, lambda row: row.session_refusal)
        assert (row.session_state, row.session_refusal) == (SessionState.UP, "4.01")

        stranger.heartbeat_answer = None
        row = await until_row(acme_northgate, lambda row: not row.session_refusal)
        assert row.session_state == SessionState.UP
