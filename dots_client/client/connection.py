"""The awaitable API: `async with connect(...) as client`, then ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dots_client.client.client import Client
from dots_client.client.heartbeats import HeartbeatSite
from dots_client.client.memory import Memory
from dots_client.client.mover import Mover
from dots_client.client.opening import Opening
from dots_client.client.settings import ClientSettings, Server
from dots_client.errors import TransportError
from dots_client.identity import Credentials
from dots_client.transport.gate import MaySend, always
from dots_client.transport.wire import WireTap


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

    All ways to it race (RFC 9132 section 4.3). Raises HandshakeFailed or PeerUnreachable within
    `settings.handshake_timeout_s`. `on_wire` is told of every CoAP message of the session, sent,
    repeated and received (not of the signals of RFC 8323 over TCP), and must not raise. With
    `memory` the next session knows what this one learned, such as being sent to another server.
    While `may_send()` says no, nothing is sent but the close_notify that ends the session: it is asked right before each
    datagram.
    """
    settings = settings or ClientSettings()
    memory = memory or Memory()
    now = asyncio.get_running_loop().time
    site = HeartbeatSite()
    opening = Opening(
        memory.target(server, now=now(), is_under_attack=is_under_attack),
        credentials,
        settings=settings,
        memory=memory,
        on_wire=on_wire,
        may_send=may_send,
    )
    try:
        link = await opening.open(site, is_under_attack=is_under_attack)
    except TransportError:
        memory.redirections.failed(opening.server.name, now=now())
        raise
    memory.redirections.talked_to(opening.server.name, now=now())
    mover = Mover(opening, memory, transport=link.transport_name, udp_probe_s=settings.udp_probe_s)
    client = Client(
        link,
        cuid=cuid,
        settings=settings,
        mover=mover,
        rtt_s=opening.rtt_s(link),
        is_under_attack=is_under_attack,
    )
    site.on_heartbeat = client.receive_heartbeat
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = client.start(group)
            # The first heartbeat goes out now, whatever the caller does next.
            await asyncio.sleep(0)
            try:
                yield client
            except BaseException as error:  # raised below: a group would wrap it
                failure = error
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        opening.measured(link, client.rtt_s)
        await client.close()
    if failure is not None:
        raise failure
