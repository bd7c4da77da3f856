"""From a server's name to a session, over the transport and address that work first.

RFC 9132 section 4.3.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from dots_client.client.cache import ClientCache
from dots_client.client.settings import ClientSettings, Server
from dots_client.errors import AlternateRefused, LocalProtocolError, PeerUnreachable, TransportError
from dots_client.failures import FailureKind, FailureText
from dots_client.identity import Credentials
from dots_client.session import (
    Candidate,
    ConnectionHistory,
    HappyEyeballsSettings,
    address_kind,
    allowed_alternates,
    candidates,
    with_nat64,
)
from dots_client.session.happy_eyeballs import DTLS, TLS, eager_repeat_s
from dots_client.transport.attempt import Attempt
from dots_client.transport.coap import Site
from dots_client.transport.connection_attempts import first_to_connect
from dots_client.transport.link import Link
from dots_client.transport.network import addresses_of, has_route
from dots_client.transport.remote import Remote
from dots_client.transport.send_guard import MaySend, always
from dots_client.transport.tls import open_tls
from dots_client.transport.wire import WireTap

log = logging.getLogger("dots_client")

TRANSPORTS: Final = frozenset({DTLS, TLS})


class Connector:
    """Opens sessions with one server."""

    def __init__(
        self,
        server: Server,
        credentials: Credentials,
        *,
        settings: ClientSettings,
        cache: ClientCache,
        on_wire: WireTap | None = None,
        may_send: MaySend = always,
        is_alternate: bool = False,
    ) -> None:
        if unknown := set(server.transports) - TRANSPORTS:
            raise LocalProtocolError(f"no such transport: {', '.join(sorted(unknown))}")
        if not server.transports:
            raise LocalProtocolError("a server needs at least one transport")
        self.server = server
        self._credentials = credentials
        self._settings = settings
        self._cache = cache
        self._on_wire = on_wire
        self._may_send = may_send
        self._is_alternate = is_alternate

    async def open(
        self,
        site: Site | None,
        *,
        is_under_attack: bool,
        transports: Sequence[str] | None = None,
    ) -> Link[Remote]:
        """The first session that completes its handshake.

        Raises a TransportError that says why if none does.
        """
        timeout_s = self._settings.handshake_timeout_s
        if is_under_attack:
            timeout_s = max(timeout_s, self._settings.attack_handshake_timeout_s)
        deadline = _time() + timeout_s
        addresses = self._allowed(await self._addresses(timeout_s))
        history = self._cache.history(self.server)

        async def open_one(candidate: Candidate, within_s: float) -> Link[Remote]:
            return await self._open(candidate, site, within_s)

        winner, link = await first_to_connect(
            candidates(addresses, transports or self.server.transports),
            open_one,
            timeout_s=deadline - _time(),
            settings=self._race_settings(history, is_under_attack=is_under_attack),
            first=history.preferred(now=_time()),
        )
        history.won(winner, now=_time())
        return link

    def rtt_s(self, link: Link[Remote]) -> float | None:
        """The round trip that the handshake measured, or else the last session with the same peer.

        None if unknown.
        """
        if link.handshake_rtt_s is not None:
            return link.handshake_rtt_s
        return self._cache.history(self.server).rtt_s(_candidate_of(link), now=_time())

    def measured(self, link: Link[Remote], rtt_s: float | None) -> None:
        """Save the round trip of a session at its end, as the first estimate of the next one."""
        if rtt_s is not None:
            self._cache.history(self.server).measured(_candidate_of(link), rtt_s=rtt_s, now=_time())

    async def is_reachable_over_udp(self) -> bool:
        """Open a session over UDP and close it. If that works, the next session tries UDP first."""
        try:
            link = await self.open(None, is_under_attack=False, transports=(DTLS,))
        except TransportError:
            return False
        except Exception:
            # A defect in the probe must not end the session over TCP.
            log.exception("%s: probing UDP failed", self.server.name)
            return False
        await link.close()
        return True

    def _race_settings(
        self, history: ConnectionHistory, *, is_under_attack: bool
    ) -> HappyEyeballsSettings:
        settings = self._settings
        if is_under_attack:
            return HappyEyeballsSettings(
                attempt_delay_s=settings.attack_attempt_delay_s,
                repeat_s=eager_repeat_s(
                    settings.attack_handshake_repeat_s, rtt_s=history.rtt_s(now=_time())
                ),
                max_concurrent=settings.attack_max_handshakes,
            )
        return HappyEyeballsSettings(
            attempt_delay_s=settings.attempt_delay_s,
            repeat_s=settings.handshake_repeat_s,
            max_concurrent=settings.max_handshakes,
        )

    async def _addresses(self, timeout_s: float) -> tuple[str, ...]:
        if self.server.addresses:
            return self.server.addresses
        host = self.server.host
        try:
            async with asyncio.timeout(timeout_s / 2):
                found = await addresses_of(host, self.server.port)
        except (TimeoutError, PeerUnreachable) as error:
            if known := self._cache.addresses(self.server):
                return known
            if isinstance(error, PeerUnreachable):
                raise
            text = f"the address of {host} could not be found in time"
            raise PeerUnreachable(FailureText(text, FailureKind.NO_ADDRESS)) from error
        addresses = tuple(dict.fromkeys(host for host, _ in found))
        self._cache.resolved(self.server, addresses)
        return addresses

    def _allowed(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses that may be used.

        An alternate server may have only public ones, and kinds that the provisioned one has too.
        """
        if not self._is_alternate:
            self._cache.provisioned_kinds = frozenset(map(address_kind, addresses))
        else:
            addresses = allowed_alternates(
                addresses, provisioned_kinds=self._cache.provisioned_kinds
            )
            if not addresses:
                raise AlternateRefused(self.server.name)
        return with_nat64(addresses, has_route=has_route) if self.server.addresses else addresses

    async def _open(self, candidate: Candidate, site: Site | None, within_s: float) -> Link[Remote]:
        opens = open_tls if candidate.transport == TLS else self._settings.open_dtls
        return await opens(
            Attempt(
                name=self.server.name,
                host=candidate.address,
                port=self.server.port,
                credentials=self._credentials,
                timeout_s=within_s,
                site=site,
                path_mtu=self._settings.path_mtu,
                requires_alpn=self.server.requires_alpn,
                on_wire=self._on_wire,
                may_send=self._may_send,
                resumption=self._cache.resumption if self._settings.resumes_sessions else None,
            )
        )


def _candidate_of(link: Link[Remote]) -> Candidate:
    return Candidate(link.transport_name, link.peer)


def _time() -> float:
    return asyncio.get_running_loop().time()
