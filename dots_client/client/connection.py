"""The awaitable API: `async with connect(...) as client`, then ask."""

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
"""An alternate server whose session breaks sooner counts as unreachable."""


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
    """A session with `server`. The first heartbeat goes out at once; the configuration is read beside.

    All ways to it race (RFC 9132 section 4.3). Raises a TransportError within `settings.handshake_timeout_s`, whatever
    goes wrong; once there is a session, what is asked ends with a DotsError, whatever ends it. `on_wire` is told of every CoAP message of the session, sent,
    repeated and received (not of the signals of RFC 8323 over TCP); what it raises is logged. With
    `cache` the next session knows what this one learned, such as being sent to another server.
    While `may_send()` says no, nothing is sent but the close_notify that ends the session: it is asked right before each
    datagram.
    """
    settings = settings or ClientSettings()
    cache = cache or ClientCache()
    now = asyncio.get_running_loop().time()
    site = HeartbeatSite()
    target = cache.target(server, now=now, is_under_attack=is_under_attack)
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
            # The first heartbeat goes out now, whatever the caller does next.
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
    """Whatever the error is, an alternate server must not keep us from the provisioned one."""
    now = asyncio.get_running_loop().time
    name, redirections = connector.server.name, cache.redirections
    try:
        link = await connector.open(site, is_under_attack=is_under_attack)
    except AlternateRefused:
        redirections.refused(name, now=now())
        if cache.on_not_followed is not None:
            cache.on_not_followed(NotFollowed.INNER_ADDRESS)
        raise
    except DotsError:
        redirections.failed(name, now=now())
        raise
    except Exception as error:
        redirections.failed(name, now=now())
        raise ConnectCrashed(client_failed(error)) from error
    redirections.contacted(name, now=now())
    return link


def _note_early_end(client: Client, connector: Connector, cache: ClientCache) -> None:
    """An alternate server that loses its session at once counts as unreachable."""
    now = asyncio.get_running_loop().time()
    if client.is_lost and now - client.connected_at < MIN_ALTERNATE_SESSION_S:
        cache.redirections.failed(connector.server.name, now=now)
