"""When to migrate to another session: after a redirection, at its end, or from TCP to UDP.

RFC 9132 sections 4.3, 4.6.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

import aiocoap

from dots_client.client.cache import ClientCache
from dots_client.client.connector import Connector
from dots_client.client.responses import redirection_of
from dots_client.session import NotFollowed, UdpProbe
from dots_client.session.happy_eyeballs import DTLS, TLS
from dots_client.transport.log import CountedLog

MOVE_AGAIN_S: Final = 300.0

log = logging.getLogger("dots_client")

_IGNORED: Final = {
    NotFollowed.LOOP: "where we have just been",
    NotFollowed.INNER_ADDRESS: "at addresses of another kind than its own",
}


class SessionMigration:
    """Signals when a session should migrate."""

    def __init__(
        self, connector: Connector, cache: ClientCache, *, transport: str, udp_probe_s: float
    ) -> None:
        self.should_move = asyncio.Event()
        self._connector = connector
        self._cache = cache
        self._transport = transport
        self._udp_probe_s = udp_probe_s
        self._is_mitigating = False
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._log = CountedLog(log)
        self._log.subject = connector.server.name

    @property
    def is_sent_elsewhere(self) -> bool:
        """Whether a redirection in force names another server than that of this session."""
        alternate = self._cache.redirections.alternate(
            now=self._loop.time(), is_under_attack=self._is_mitigating
        )
        return alternate is not None and alternate.name != self._connector.server.name

    def set_mitigating(self, *, is_mitigating: bool) -> None:
        self._is_mitigating = is_mitigating
        self._changed.set()

    def receive(self, response: aiocoap.Message) -> None:
        """Follow a redirection in a response, unless `Redirections` says why not."""
        redirected = redirection_of(response)
        if redirected is None:
            return
        name, alternate = self._connector.server.name, redirected.redirect.alt_server
        redirections, now = self._cache.redirections, self._loop.time()
        redirections.contacted(name, now=now)
        why_not = redirections.redirected(
            redirected.redirect,
            ttl_s=redirected.retry_after_s,
            now=now,
            provisioned_kinds=self._cache.provisioned_kinds,
        )
        if why_not is None:
            self._log.info("%s sends us to %s", name, alternate)
            self.should_move.set()
        elif not self.should_move.is_set():
            self._log.warning("%s sends us to %s, %s: ignored", name, alternate, _IGNORED[why_not])
            if self._cache.on_not_followed is not None:
                self._cache.on_not_followed(why_not)

    async def watch_redirection(self) -> None:
        """Migrate back when the redirection has expired and no attack is active.

        RFC 9132 section 4.6.
        """
        redirections = self._cache.redirections
        while True:
            self._changed.clear()
            now = self._loop.time()
            alternate = redirections.alternate(now=now, is_under_attack=self._is_mitigating)
            if alternate is None or alternate.name != self._connector.server.name:
                self.should_move.set()
                # If no other session can be opened, this one continues, and the signal is repeated.
                await asyncio.sleep(MOVE_AGAIN_S)
                continue
            expires_at = redirections.expires_at()
            is_over = expires_at is not None and expires_at <= now
            try:
                async with asyncio.timeout_at(None if is_over else expires_at):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def look_for_udp(self) -> None:
        probe = UdpProbe(now=self._loop.time(), interval_s=self._udp_probe_s)
        while True:
            await asyncio.sleep(probe.next_timer() - self._loop.time())
            probe.probed(now=self._loop.time())
            if await self._connector.is_reachable_over_udp():
                self.should_move.set()

    def parts(self) -> list[Coroutine[Any, Any, None]]:
        """The background tasks of the session that watch for a better one."""
        parts: list[Coroutine[Any, Any, None]] = []
        server, now = self._connector.server, self._loop.time()
        alternate = self._cache.redirections.alternate(now=now, is_under_attack=self._is_mitigating)
        if alternate is not None and alternate.name == server.name:
            parts.append(self.watch_redirection())
        if self._transport == TLS and DTLS in server.transports:
            parts.append(self.look_for_udp())
        return parts
