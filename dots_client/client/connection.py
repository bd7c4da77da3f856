"""The awaitable API: `async with connect(...) as client`, then ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dots_client.client.client import Client
from dots_client.client.heartbeats import HeartbeatSite
from dots_client.client.memory import Memory
from dots_client.client.mover import Mover
from dots_client.client.opening import Opening
from dots_client.client.settings import ClientSettings, Server
from dots_client.errors import AlternateRefused, ConnectCrashed, DotsError, client_failed
from dots_client.identity import Credentials
from dots_client.session import NotFollowed
from dots_client.transport.gate import MaySend, always
from dots_client.transport.wire import WireTap

SETTLED_S: Final = 10.0
"""An alternate server whose session breaks sooner counts as unreachable."""


@asynccontextmanager
async def connect(
    server: Server,
    credentials: Credentials,
    *,
    cuid: str,
    settings: ClientSettings | None = None,
    on_wire: WireTap | None = None,
    memory: Memory | None = None,
    is_under_attack: bool = False,
    may_send: MaySend = always,
) -> AsyncIterator[Client]:
    """A session with `server`. The first heartbeat goes out at once; the configuration is read beside.

    All ways to it race (RFC 9132 section 4.3). Raises a TransportError within `settings.handshake_timeout_s`, whatever
    goes wrong; once there is a session, what is asked ends with a DotsError, whatever ends it. `on_wire` is told of every CoAP message of the session, sent,
    repeated and received (not of the signals of RFC 8323 over TCP); what it raises is logged. With
    `memory` the next session knows what this one learned, such as being sent to another server.
    While `may_send()` says no, nothing is sent but the close_notify that ends the session: it is asked right before each
    datagram.
    """
    settings = settings or ClientSettings()
    memory = memory or Memory()
    now = asyncio.get_running_loop().time
    site = HeartbeatSite()
    target = memory.target(server, now=now(), is_under_attack=is_under_attack)
    opening = Opening(
        target,
        credentials,
        settings=settings,
        memory=memory,
        on_wire=on_wire,
        may_send=may_send,
        is_alternate=target is not server,
    )
    try:
        link = await opening.open(site, is_under_attack=is_under_attack)
    except Exception as error:
        # Whatever the error is, an alternate server must not keep us from the provisioned one.
        if isinstance(error, AlternateRefused):
            memory.redirections.refused(opening.server.name, now=now())
            if memory.on_not_followed is not None:
                memory.on_not_followed(NotFollowed.INNER_ADDRESS)
        else:
            memory.redirections.failed(opening.server.name, now=now())
        if isinstance(error, DotsError):
            raise
        raise ConnectCrashed(client_failed(error)) from error
    try:
        memory.redirections.talked_to(opening.server.name, now=now())
        mover = Mover(
            opening, memory, transport=link.transport_name, udp_probe_s=settings.udp_probe_s
        )
        client = Client(
            link,
            cuid=cuid,
            settings=settings,
            mover=mover,
            rtt_s=opening.rtt_s(link),
            is_under_attack=is_under_attack,
        )
        site.on_heartbeat = client.receive_heartbeat
        async with client.running():
            # The first heartbeat goes out now, whatever the caller does next.
            await asyncio.sleep(0)
            try:
                yield client
            finally:
                opening.measured(link, client.rtt_s)
                if client.is_lost and now() - link.connected_at < SETTLED_S:
                    memory.redirections.failed(opening.server.name, now=now())
    finally:
        await link.close()
