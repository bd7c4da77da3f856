"""What may be asked of a server in one session."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from aiocoap import Code, Message, Unreliable

from dots_client.client.configuration_reader import ConfigurationReader
from dots_client.client.heartbeats import Heartbeats
from dots_client.client.observation import Observation
from dots_client.client.path_mtu import CHECK_DEADLINE_S, BlackHoleDetector, answer_or_too_large
from dots_client.client.request_layer import OnSent, Request, RequestLayer
from dots_client.client.responses import (
    NOT_GRANTED,
    NOT_WITHDRAWN,
    all_reports,
    granted_report,
    raise_for,
    reported_status,
)
from dots_client.client.session_migration import SessionMigration
from dots_client.client.settings import BLOCK_SIZES, ClientSettings
from dots_client.codec import encode_request, mitigate_path
from dots_client.errors import (
    DotsError,
    NoAnswer,
    Refused,
    RequestTooLarge,
    ServerUnavailable,
    SessionClosed,
    SessionCrashed,
)
from dots_client.model import AttackStatus, MitigationReport, Scope, SignalConfig
from dots_client.session import Liveness, LivenessParameters, RttEstimator, SessionParameters
from dots_client.transport.coap import message_bytes
from dots_client.transport.link import Link
from dots_client.transport.remote import Remote

EFFICACY_DEADLINE_S: Final = 30.0
"""A server that does not hold the mitigation says nothing at all (RFC 9132 section 4.4.3)."""

_NOT_FOUND: Final = "4.04"
_rng = random.SystemRandom()

log = logging.getLogger("dots_client")


class Client:
    """One session with one server, and everything that may be asked in it. Made by `connect()`."""

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
            parameters=self._liveness_parameters(self._with_overrides(SessionParameters())),
        )
        self._heartbeats = Heartbeats(self._requests, self._liveness)
        self.mitigating = is_under_attack

    # What is known of the session

    @property
    def transport(self) -> str:
        """`dtls` or `tls`."""
        return self._link.transport_name

    @property
    def serial(self) -> int:
        """Which session of this process it is; `WireRecord.session` is the same number."""
        return self._link.remote.serial

    @property
    def peer(self) -> str:
        """Address and port, as `192.0.2.1:4646`."""
        return self._link.peer

    @property
    def was_resumed(self) -> bool:
        """Whether the handshake took up an older session (`ClientSettings.resumes_sessions`)."""
        return self._link.remote.was_resumed

    @property
    def connected_at(self) -> float:
        """Loop time."""
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
        """What one datagram holds of a CoAP message."""
        return self._link.max_message_bytes

    @property
    def heartbeat_refusal(self) -> Refused | ServerUnavailable | None:
        """The refusal of our last answered heartbeat; None: it was not refused.

        The session is alive either way. A 4.01 means that the server does not know our certificate.
        """
        return self._heartbeats.refusal

    @property
    def heartbeat_refusal_changed(self) -> asyncio.Event:
        """Set when the code of `heartbeat_refusal` changes; the reader clears it."""
        return self._heartbeats.refusal_changed

    @property
    def requests(self) -> RequestLayer:
        """For gateways, which pass on what others ask: one message and its answer, as they are."""
        return self._requests

    @property
    def mitigating(self) -> bool:
        """While True the mitigating configuration holds, and missed heartbeats end no session."""
        return self._liveness.is_mitigating

    @mitigating.setter
    def mitigating(self, is_mitigating: bool) -> None:
        self._liveness.set_mitigating(is_mitigating=is_mitigating, now=self._loop.time())
        self._migration.set_mitigating(is_mitigating=is_mitigating)
        self._reconfigure()
        self._configuration.reschedule()

    @property
    def should_move(self) -> asyncio.Event:
        """Set when a new session with the same `ClientCache` would be a better one than this.

        The server redirected us, the time of a redirection is over, or UDP works again beside TCP.
        """
        return self._migration.should_move

    @property
    def is_sent_elsewhere(self) -> bool:
        """Whether a redirection that is followed names another server than the one of this session.

        Unlike `should_move`, which whoever moves may clear, it holds until the redirection has led there, or
        led nowhere (RFC 9132 section 4.6).
        """
        return self._migration.is_sent_elsewhere

    @property
    def is_lost(self) -> bool:
        """The session is over and was not ended from here."""
        return self._link.closed.done() and not self._is_left

    async def closed(self) -> DotsError:
        """Wait for the end of the session; what comes back is its reason."""
        return await asyncio.shield(self._closed)

    async def close(self) -> None:
        """End the session with a close_notify. Leaving `connect()` does it too."""
        self._is_left = not self._link.closed.done()
        await self._end(SessionClosed("closed by us"))

    # Mitigations

    async def request(
        self, mid: int, scope: Scope, *, on_sent: OnSent | None = None
    ) -> MitigationReport:
        """Ask for a mitigation, or refresh it, until there is an answer: use `asyncio.timeout`.

        What comes back is what was granted. Raises Refused, Conflicted, ServerUnavailable,
        Redirected, UnexpectedAnswer, SessionClosed; EncodeError and LocalProtocolError for a scope that must not or
        cannot be sent; RequestTooLarge also when the path turns out to drop datagrams of its size.
        """
        request = Request(
            code=Code.PUT, path=mitigate_path(self.cuid, mid), payload=encode_request(scope)
        )
        response = await self._ask_over_the_path(request, mid, on_sent)
        raise_for(response, unexpected=NOT_GRANTED)
        return granted_report(response, mid)

    def check_request(self, mid: int, scope: Scope) -> None:
        """Raise the error with which `request()` would refuse to send: EncodeError, LocalProtocolError, SessionClosed."""
        path, payload = mitigate_path(self.cuid, mid), encode_request(scope)
        self._requests.check(Request(code=Code.PUT, path=path, payload=payload))

    async def efficacy(
        self,
        mid: int,
        scope: Scope,
        attack_status: AttackStatus,
        *,
        deadline_s: float = EFFICACY_DEADLINE_S,
    ) -> MitigationReport | None:
        """Say how the attack looks from here; None for silence, as about an unknown mid.

        RFC 9132 section 4.4.3. `scope` is the one that was requested; its lifetime is refreshed too.
        Raises what `request()` raises; ServerUnavailable says after how many seconds to try again.
        """
        request = Request(
            code=Code.PUT,
            path=mitigate_path(self.cuid, mid),
            payload=encode_request(replace(scope, attack_status=attack_status)),
            must_exist=True,
        )
        try:
            response = await self._requests.request(request, deadline_s=deadline_s)
        except NoAnswer:
            return None
        raise_for(response, unexpected=NOT_GRANTED)
        return granted_report(response, mid)

    async def withdraw(self, mid: int, *, on_sent: OnSent | None = None) -> None:
        """Ask until the server has acknowledged; what it does not know counts as withdrawn.

        It may go on for up to 300 seconds with the status TERMINATING (RFC 9132 section 4.4.4).
        Raises what `request()` raises.
        """
        request = Request(code=Code.DELETE, path=mitigate_path(self.cuid, mid))
        response = await self._requests.request(request, on_sent=on_sent)
        try:
            raise_for(response, unexpected=NOT_WITHDRAWN)
        except Refused as refusal:
            if refusal.code != _NOT_FOUND:
                raise

    async def status(self, mid: int) -> MitigationReport:
        """What the server says of one mitigation; Refused with 4.04 when it knows none."""
        response = await self._get(mitigate_path(self.cuid, mid))
        return reported_status(response, mid)

    async def statuses(self) -> tuple[MitigationReport, ...]:
        """The same of all mitigations of this cuid; Refused with 4.04 when there are none."""
        return all_reports(await self._get(mitigate_path(self.cuid)))

    @asynccontextmanager
    async def observe(self, mid: int) -> AsyncIterator[AsyncIterator[MitigationReport]]:
        """Reports of one mitigation as they come.

        The iterator raises what ends it: Refused with 4.04 when the mitigation is gone,
        SessionClosed with the session.
        """
        observation = Observation(
            self._requests,
            path=mitigate_path(self.cuid, mid),
            mid=mid,
            rng=_rng,
            settings=self._settings,
        )
        observation.start()
        try:
            yield observation
        finally:
            observation.leave()

    # Session

    async def configuration(self) -> SignalConfig:
        """Read what is in force, with the limits within which it may be changed."""
        return await self._configuration.read()

    async def configure(self, config: SignalConfig, sid: int) -> None:
        """Change it for this session (RFC 9132 section 4.5.2); `sid`, 0-4294967295, has to grow.

        Refused with 4.22 when a value is outside the limits that `configuration()` tells; EncodeError
        and LocalProtocolError for what must not be sent.
        """
        await self._configuration.write(config, sid)

    async def restore_configuration(self) -> SignalConfig:
        """Go back to the server's defaults, and read them (RFC 9132 section 4.5.4)."""
        return await self._configuration.restore()

    async def heartbeat(self) -> bool:
        """Send one now; True when its answer came within `heartbeat_wait_s`, False for silence.

        Raises Refused or ServerUnavailable for an answer other than success, and SessionClosed.
        """
        outcome: asyncio.Future[Message | DotsError] = self._loop.create_future()
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

    # Inside

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the session's background tasks and end it; `connect()` runs inside."""
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
        """The end of any part ends the session, so a defect never leaves it half alive."""
        try:
            await work
        except SessionClosed as error:
            await self._end(error)
        except Exception as error:
            # Any defect: the session must end, and every pending call with it.
            log.exception("%s: this client failed", self.peer)
            await self._end(SessionCrashed(error))

    def receive_heartbeat(self) -> None:
        self._liveness.peer_heartbeat_received(now=self._loop.time())

    async def _get(self, path: tuple[str, ...]) -> Message:
        request = Request(code=Code.GET, path=path, block2=self._preferred_block())
        response = await self._requests.request_blockwise(request)
        raise_for(response)
        return response

    async def _ask_over_the_path(
        self, request: Request, mid: int, on_sent: OnSent | None
    ) -> Message:
        link = self._link
        size = message_bytes(request.message(Unreliable()))
        if size <= link.safe_message_bytes:
            return await self._requests.request(request, on_sent=on_sent)
        status = Request(code=Code.GET, path=mitigate_path(self.cuid, mid))

        async def is_known() -> None:
            raise_for(await self._requests.request(status, deadline_s=CHECK_DEADLINE_S))

        check = BlackHoleDetector(is_known)

        def count(copies: int) -> None:
            check.sent()
            if on_sent is not None:
                on_sent(copies)

        asking = self._requests.request(request, on_sent=count)
        try:
            return await answer_or_too_large(
                asking, check, size=size, limit=link.safe_message_bytes
            )
        except RequestTooLarge:
            link.lower_message_bytes()
            raise

    def _preferred_block(self) -> tuple[int, bool, int] | None:
        """The first block in the size we should like (RFC 9132 section 4.4.2)."""
        size = self._settings.block_bytes
        return None if size is None else (0, False, BLOCK_SIZES[size])

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
        return self._with_overrides(known)

    def _with_overrides(self, parameters: SessionParameters) -> SessionParameters:
        if self._settings.heartbeat_interval_s is not None:
            parameters = replace(
                parameters, heartbeat_interval_s=self._settings.heartbeat_interval_s
            )
        if self._settings.missing_hb_allowed is not None:
            parameters = replace(parameters, missing_hb_allowed=self._settings.missing_hb_allowed)
        return parameters

    def _reconfigure(self) -> None:
        self._liveness.configure(
            self._liveness_parameters(self._parameters()), now=self._loop.time()
        )
        self._heartbeats.reschedule()

    def _liveness_parameters(self, parameters: SessionParameters) -> LivenessParameters:
        if self._link.is_reliable:
            return LivenessParameters.over_tcp(parameters.heartbeat_interval_s)
        return LivenessParameters(
            heartbeat_interval_s=parameters.heartbeat_interval_s,
            missing_hb_allowed=parameters.missing_hb_allowed,
        )
