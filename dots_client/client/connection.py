"""The entry point of the client: `async with connect(...) as client`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dots_client.client.cache import ClientCache
from dots_client.client.client import Client
from dots_client.client.connector import Connector
from dots_client.client.heartbeats import HeartbeatSite
from dots_client.client.session_migration import SessionMigration
from dots_client.client.settings import ClientSettings, Server
from dots_client.errors import AlternateRefused, ConnectCrashed, DotsError, client_failed
from dots_client.identity import Credentials
from dots_client.session import NotFollowed
from dots_client.transport.link import Link
from dots_client.transport.remote import Remote
from dots_client.transport.send_guard import MaySend, always
from dots_client.transport.wire import WireTap

MIN_ALTERNATE_SESSION_S: Final = 10.0
"""Seconds; an alternate server whose session ends sooner counts as unreachable."""


@asynccontextmanager
async def connect(
    server: Server,
    credentials: Credentials,
    *,
    cuid: str,
    settings: ClientSettings | None = None,
    on_wire: WireTap | None = None,
    cache: ClientCache | None = None,
    is_under_attack: bool = False,
    may_send: MaySend = always,
) -> AsyncIterator[Client]:
    """Open a session with `server`, and close it at the end of the block.

    Transports and addresses race (RFC 9132 section 4.3). The first heartbeat is sent at once, and a
    background task reads the configuration. Raises a TransportError within
    `settings.handshake_timeout_s` if no session can be opened. In a session, every request ends
    with an answer or a DotsError.

    `on_wire` is called with every CoAP message of the session, sent, repeated or received, but not
    with the signals of RFC 8323 over TCP; an exception in it is logged. `cache` passes what this
    session learned to the next one, such as a redirection. `may_send` is called before each
    datagram: while it returns False, the session sends only the close_notify that ends it.
    """
    settings = settings or ClientSettings()
    cache = cache or ClientCache()
    site = HeartbeatSite()
    target = cache.target(server, now=_time(), is_under_attack=is_under_attack)
    connector = Connector(
        target,
        credentials,
        settings=settings,
        cache=cache,
        on_wire=on_wire,
        may_send=may_send,
        is_alternate=target is not server,
    )
    link = await _open(connector, cache, site, is_under_attack=is_under_attack)
    try:
        client = Client(
            link,
            cuid=cuid,
            settings=settings,
            migration=SessionMigration(
                connector, cache, transport=link.transport_name, udp_probe_s=settings.udp_probe_s
            ),
            rtt_s=connector.rtt_s(link),
            is_under_attack=is_under_attack,
        )
        site.on_heartbeat = client.receive_heartbeat
        async with client.running():
            # Let the first heartbeat go out before the caller does anything.
            await asyncio.sleep(0)
            try:
                yield client
            finally:
                connector.measured(link, client.rtt_s)
                _note_early_end(client, connector, cache)
    finally:
        await link.close()


async def _open(
    connector: Connector, cache: ClientCache, site: HeartbeatSite, *, is_under_attack: bool
) -> Link[Remote]:
    """Open a link.

    After any error with an alternate server, the next attempt goes to the provisioned one.
    """
    name, redirections = connector.server.name, cache.redirections
    try:
        link = await connector.open(site, is_under_attack=is_under_attack)
    except AlternateRefused:
        redirections.refused(name, now=_time())
        if cache.on_not_followed is not None:
            cache.on_not_followed(NotFollowed.INNER_ADDRESS)
        raise
    except DotsError:
        redirections.failed(name, now=_time())
        raise
    except Exception as error:
        # A defect of ours or of a library: callers expect DotsError, and the caller logs the cause.
        redirections.failed(name, now=_time())
        raise ConnectCrashed(client_failed(error)) from error
    redirections.contacted(name, now=_time())
    return link


def _note_early_end(client: Client, connector: Connector, cache: ClientCache) -> None:
    """Count an alternate server whose session ended at once as unreachable."""
    lasted_s = _time() - client.connected_at
    if client.is_lost and lasted_s < MIN_ALTERNATE_SESSION_S:
        cache.redirections.failed(connector.server.name, now=_time())


def _time() -> float:
    return asyncio.get_running_loop().time()
