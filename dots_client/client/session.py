"""One session with one server: its heartbeats, its configuration and its end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from aiocoap import Message

from dots_client.client.configuration_reader import ConfigurationReader
from dots_client.client.heartbeats import Heartbeats
from dots_client.client.request_layer import Outcome, RequestLayer
from dots_client.client.responses import raise_for
from dots_client.client.session_migration import SessionMigration
from dots_client.client.settings import ClientSettings
from dots_client.errors import (
    DotsError,
    Refused,
    ServerUnavailable,
    SessionClosed,
    SessionCrashed,
)
from dots_client.model import SignalConfig
from dots_client.session import Liveness, LivenessParameters, RttEstimator, SessionParameters
from dots_client.transport.engine import Protection
from dots_client.transport.link import Link
from dots_client.transport.remote import Remote

log = logging.getLogger("dots_client")

_rng: Final = random.SystemRandom()


class Session:
    """The background tasks of a session, and its state.

    `Client` adds the requests for mitigation.
    """

    def __init__(
        self,
        link: Link[Remote],
        *,
        cuid: str,
        settings: ClientSettings,
        migration: SessionMigration,
        rtt_s: float | None = None,
        is_under_attack: bool = False,
    ) -> None:
        self.cuid = cuid
        self._link = link
        self._settings = settings
        self._migration = migration
        self._loop = asyncio.get_running_loop()
        self._closed: asyncio.Future[DotsError] = self._loop.create_future()
        self._is_left = False
        self._rtt = RttEstimator()
        if rtt_s is not None:
            self._rtt.add(rtt_s)
        self._requests = RequestLayer(
            link,
            rng=_rng,
            rtt=self._rtt,
            settings=settings.retransmission,
            on_answer=self._receive_answer,
            on_response=migration.receive,
        )
        self._configuration = ConfigurationReader(
            self._requests,
            parameters=self._parameters,
            is_mitigating=lambda: self.mitigating,
            on_change=self._reconfigure,
        )
        self._liveness = Liveness(
            now=self._loop.time(),
            parameters=self._liveness_parameters(settings.overriding(SessionParameters())),
        )
        self._heartbeats = Heartbeats(self._requests, self._liveness)
        self.mitigating = is_under_attack

    # State

    @property
    def transport(self) -> str:
        """`dtls` or `tls`."""
        return self._link.transport_name

    @property
    def serial(self) -> int:
        """The number of this session in the process, as in `WireRecord.session`."""
        return self._link.remote.serial

    @property
    def peer(self) -> str:
        """Address and port of the server, such as `192.0.2.1:4646`."""
        return self._link.peer

    @property
    def was_resumed(self) -> bool:
        """Whether the handshake resumed an older session (`ClientSettings.resumes_sessions`)."""
        return self._link.remote.was_resumed

    @property
    def protection(self) -> Protection:
        """What the handshake agreed on."""
        return self._link.engine.protection

    @property
    def connected_at(self) -> float:
        """Loop time of the end of the handshake."""
        return self._link.connected_at

    @property
    def last_heard_at(self) -> float:
        """Loop time of the last datagram from the server."""
        return self._link.last_heard_at

    @property
    def rtt_s(self) -> float | None:
        """Smoothed round-trip time in seconds (RFC 6298); None before the first answer."""
        return self._rtt.rtt_s

    @property
    def max_message_bytes(self) -> int:
        """The largest CoAP message that the session can send, in bytes."""
        return self._link.max_message_bytes

    @property
    def heartbeat_refusal(self) -> Refused | ServerUnavailable | None:
        """The refusal of our last answered heartbeat, or None.

        The session is alive either way. A 4.01 means that the server does not know our certificate.
        """
        return self._heartbeats.refusal

    @property
    def heartbeat_refusal_changed(self) -> asyncio.Event:
        """Set when the code of `heartbeat_refusal` changes. The reader clears it."""
        return self._heartbeats.refusal_changed

    @property
    def requests(self) -> RequestLayer:
        """The request layer, for gateways that forward the requests of others."""
        return self._requests

    @property
    def mitigating(self) -> bool:
        """While True, the mitigating set is in force and missed heartbeats end no session."""
        return self._liveness.is_mitigating

    @mitigating.setter
    def mitigating(self, is_mitigating: bool) -> None:
        self._liveness.set_mitigating(is_mitigating=is_mitigating, now=self._loop.time())
        self._migration.set_mitigating(is_mitigating=is_mitigating)
        self._reconfigure()
        self._configuration.reschedule()

    @property
    def should_move(self) -> asyncio.Event:
        """Set when a new session with the same `ClientCache` would be better than this one.

        Either the server redirected us, or a redirection has expired, or this session uses TCP and
        UDP works again.
        """
        return self._migration.should_move

    @property
    def is_sent_elsewhere(self) -> bool:
        """Whether a redirection in force names another server than that of this session.

        RFC 9132 section 4.6.

        The caller may clear `should_move`. This stays True until a session with the other server
        was opened or failed.
        """
        return self._migration.is_sent_elsewhere

    @property
    def is_lost(self) -> bool:
        """Whether the session has ended and the caller did not close it."""
        return self._link.closed.done() and not self._is_left

    # The end

    async def closed(self) -> DotsError:
        """Wait for the end of the session. Returns the reason."""
        return await asyncio.shield(self._closed)

    async def close(self) -> None:
        """End the session with a close_notify, as leaving `connect()` does."""
        self._is_left = not self._link.closed.done()
        await self._end(SessionClosed("closed by us"))

    # Configuration and heartbeats

    async def configuration(self) -> SignalConfig:
        """Read the session configuration in force, with the limits for changes.

        RFC 9132 section 4.5.1.
        """
        return await self._configuration.read()

    async def configure(self, config: SignalConfig, sid: int) -> None:
        """Change the configuration of this session (RFC 9132 section 4.5.2).

        `sid`, 0-4294967295, must be higher than those before in this session. Raises Refused with
        4.22 for a value outside the limits that `configuration()` returns; EncodeError and
        LocalProtocolError for a change that must not be sent.
        """
        await self._configuration.write(config, sid)

    async def restore_configuration(self) -> SignalConfig:
        """Return to the server's defaults and read them (RFC 9132 section 4.5.4)."""
        return await self._configuration.restore()

    async def heartbeat(self) -> bool:
        """Send a heartbeat now. Returns whether it was answered within `heartbeat_wait_s`.

        Raises Refused or ServerUnavailable if the server refuses it, and SessionClosed.
        """
        outcome: asyncio.Future[Outcome] = self._loop.create_future()
        self._heartbeats.send(lambda result: None if outcome.done() else outcome.set_result(result))
        self._heartbeats.reschedule()
        try:
            async with asyncio.timeout(self._settings.heartbeat_wait_s):
                answer = await outcome
        except TimeoutError:
            return False
        if isinstance(answer, SessionClosed):
            raise answer
        if not isinstance(answer, Message):
            return False
        raise_for(answer)
        return True

    # Background tasks

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background tasks during the block, and close the session at its end."""
        parts = [self._watch_link(), self._send_heartbeats(), *self._migration.parts()]
        if self._settings.reads_configuration:
            parts.append(self._configuration.run())
        tasks = [asyncio.create_task(self._part(part)) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                await self.close()

    async def _part(self, work: Coroutine[Any, Any, None]) -> None:
        """Run one background task.

        Its end ends the session, so that no session lives without one of its tasks.
        """
        try:
            await work
        except SessionClosed as error:
            await self._end(error)
        except Exception as error:
            # After any defect the session must end, and every pending call with it.
            log.exception("%s: this client failed", self.peer)
            await self._end(SessionCrashed(error))

    def receive_heartbeat(self) -> None:
        self._liveness.peer_heartbeat_received(now=self._loop.time())

    async def _watch_link(self) -> None:
        await self._end(SessionClosed(await asyncio.shield(self._link.closed)))

    async def _send_heartbeats(self) -> None:
        await self._end(await self._heartbeats.run())

    async def _end(self, reason: DotsError) -> None:
        if not self._closed.done():
            self._closed.set_result(reason)
        await self._link.close(str(reason))

    def _receive_answer(self) -> None:
        self._liveness.answered(now=self._loop.time())

    def _parameters(self) -> SessionParameters:
        known = self._configuration.known.parameters(is_mitigating=self.mitigating)
        return self._settings.overriding(known)

    def _reconfigure(self) -> None:
        parameters = self._liveness_parameters(self._parameters())
        self._liveness.configure(parameters, now=self._loop.time())
        self._heartbeats.reschedule()

    def _liveness_parameters(self, parameters: SessionParameters) -> LivenessParameters:
        return LivenessParameters.of(parameters, is_reliable=self._link.is_reliable)
