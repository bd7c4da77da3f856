"""The sockets of a server or gateway, over aiocoap."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import aiocoap
from aiocoap import error
from aiocoap.pipe import Pipe

from dots_client import Credentials, Heartbeat, WireRecord, clean_text
from dots_client.server import (
    DOTS_CBOR,
    HEARTBEAT_PATH,
    DtlsServer,
    Remote,
    ServerSettings,
    TlsServer,
    encode_heartbeat,
    serve_dtls,
    serve_tls,
)
from dots_server.blocks import Blocks, is_follow_up
from dots_server.coap import message_of, request_of, unknown_critical_option
from dots_server.messages import Notification, Request, Response, text
from dots_server.signal_endpoint import SignalEndpoint

log = logging.getLogger("dots_server")

HEARTBEAT_ANSWER_WITHIN_S: Final = 10.0
MAX_REMEMBERED_NOTIFICATIONS: Final = 4096
"""A RST to an older one is ignored."""
PORT_TRIES: Final = 10
PAUSE_PER_ROUND: Final = 4.0
"""Pause after a tick, as a multiple of its length: ticks take at most a fifth of the time."""
MAX_PAUSE_S: Final = 0.5
SETTINGS: Final = ServerSettings(hands_out_tickets=True)

OnAnswer = Callable[[Request, Response | None, str, float], None]
"""Called with each request, its answer (None: silence), the client, and the time it arrived."""

_Key = tuple[int, bytes]
"""Session and token."""


def _ignore(_request: Request, _response: Response | None, _client: str, _at: float) -> None:
    pass


class SignalServer:
    """Runs one endpoint on UDP and TCP: call `listen`, run `run` as a task, call `close`."""

    def __init__(
        self,
        endpoint: SignalEndpoint,
        *,
        settings: ServerSettings = SETTINGS,
        on_answer: OnAnswer = _ignore,
    ) -> None:
        self.endpoint = endpoint
        self._settings = settings
        self._on_answer = on_answer
        self._servers: list[DtlsServer | TlsServer] = []
        self._sessions: dict[int, Remote] = {}
        self._observed: dict[_Key, Pipe] = {}
        self._blocks = Blocks()
        self._notified: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        "token by session and Message ID"
        self._wake = asyncio.Event()
        self._started = (time.time(), asyncio.get_running_loop().time())

    @property
    def port(self) -> int:
        return self._servers[0].port

    def now(self) -> float:
        """Seconds since 1970, without the jumps of the wall clock."""
        epoch, monotonic = self._started
        return epoch + asyncio.get_running_loop().time() - monotonic

    # Transports

    async def listen(self, *, host: str, port: int, credentials: Credentials) -> None:
        """Listen on UDP and TCP. Port 0: any that is free in both. OSError: it is taken."""
        for is_last in (*[False] * (PORT_TRIES - 1), True):
            await self.listen_dtls(host=host, port=port, credentials=credentials)
            try:
                await self.listen_tls(host=host, port=self.port, credentials=credentials)
            except OSError as error:
                await self._servers.pop().close()
                if port != 0 or error.errno != errno.EADDRINUSE or is_last:
                    raise
            else:
                return

    async def listen_tls(self, *, host: str, port: int, credentials: Credentials) -> None:
        server = await serve_tls(
            self,
            host=host,
            port=port,
            credentials=credentials,
            settings=self._settings,
            on_session=self._session_opened,
            on_session_end=self._session_closed,
        )
        self._servers.append(server)

    async def listen_dtls(self, *, host: str, port: int, credentials: Credentials) -> DtlsServer:
        server = await serve_dtls(
            self,
            host=host,
            port=port,
            credentials=credentials,
            settings=self._settings,
            on_session=self._session_opened,
            on_session_end=self._session_closed,
            on_wire=self._see,
        )
        self._servers.append(server)
        return server

    async def close(self) -> None:
        """Tell every client that the session ends, and close the sockets."""
        for server in self._servers:
            await server.close()

    def drop_sessions(self, reason: str) -> None:
        """End every session without telling its client, as a power cut does."""
        self._observed.clear()
        for session in tuple(self._sessions.values()):
            session.forget(reason)

    def _session_opened(self, session: Remote) -> None:
        log.info("%s: session with %s", session.hostinfo, clean_text(session.peer_common_name))
        self._sessions[session.serial] = session
        self.endpoint.open_session(
            session.serial,
            client=session.peer_common_name,
            peer=session.hostinfo,
            now=self.now(),
        )

    def _session_closed(self, session: Remote) -> None:
        log.info("%s: session ended: %s", session.hostinfo, session.reason)
        del self._sessions[session.serial]
        self.endpoint.close_session(session.serial)

    # Requests

    async def render_to_pipe(self, pipe: Pipe) -> None:
        """Answer one request. The coroutine of an observation ends with the observation."""
        message: aiocoap.Message = pipe.request
        if message.remote.serial not in self._sessions:
            return  # the session ended between the request's arrival and now
        if is_follow_up(message):
            self._send(pipe, self._blocks.later(message))
            return
        at, request = self.now(), request_of(message)
        await self.answer(pipe, request, self._judge(message, request, at=at), at=at)

    async def answer(
        self, pipe: Pipe, request: Request, response: Response | None, *, at: float
    ) -> None:
        """Send the answer of the endpoint. A gateway overrides this to ask its server."""
        self.record(pipe, request, response, at=at)
        message: aiocoap.Message = pipe.request
        if response is None:
            self.stay_silent(message)
        else:
            if response.observe is not None:
                self._observed[_key_of(message)] = pipe
            self._send(pipe, self._blocks.first(message_of(response), message))
        self.touch(message.remote.peer_common_name)
        if response is not None and response.observe is not None:
            await self._until_observation_ends(pipe)

    def record(self, pipe: Pipe, request: Request, response: Response | None, *, at: float) -> None:
        self._on_answer(request, response, pipe.request.remote.peer_common_name, at)

    def stay_silent(self, message: aiocoap.Message) -> None:
        """Drop a request that gets no answer; aiocoap would hold it as long as the session."""
        _, stop = message.remote.endpoint.tokens.incoming_requests[message.token, message.remote]
        stop()

    def _judge(self, message: aiocoap.Message, request: Request, *, at: float) -> Response | None:
        if (unknown := unknown_critical_option(message)) is not None:
            return text("4.02", f"option {unknown} is not supported")
        if message.opt.accept not in (None, DOTS_CBOR):
            return text("4.06", f"only Content-Format {DOTS_CBOR} is served")
        return self.endpoint.receive(message.remote.serial, request, now=at)

    def _send(self, pipe: Pipe, response: aiocoap.Message) -> None:
        pipe.add_response(response, is_last=response.opt.observe is None)

    # Observations

    def begin_observation(self, pipe: Pipe) -> None:
        """It lasts until `end_observation`, or until a RST; see `is_observed`."""
        self._observed[_key_of(pipe.request)] = pipe

    def end_observation(self, pipe: Pipe) -> None:
        # The same token may already belong to a newer request.
        if self.is_observed(pipe):
            del self._observed[_key_of(pipe.request)]

    def is_observed(self, pipe: Pipe) -> bool:
        return self._observed.get(_key_of(pipe.request)) is pipe

    def notify(self, pipe: Pipe, response: Response, *, is_answer: bool = False) -> None:
        """Send one notification, or the answer to the GET. One without Observe is the last."""
        message = self._blocks.first(message_of(response), pipe.request)
        if not is_answer:
            # RFC 9132 section 4.4.2.1: notifications are Non-confirmable, always.
            message.transport_tuning = aiocoap.Unreliable()
        self._send(pipe, message)
        if message.mid is not None:
            session, token = _key_of(pipe.request)
            self._notified[session, message.mid] = token
            if len(self._notified) > MAX_REMEMBERED_NOTIFICATIONS:
                self._notified.popitem(last=False)

    async def _until_observation_ends(self, pipe: Pipe) -> None:
        """aiocoap cancels this when the client leaves or its session ends."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            if self.is_observed(pipe):
                self.end_observation(pipe)
                self.endpoint.observers.remove(*_key_of(pipe.request))

    def _see(self, record: WireRecord) -> None:
        """A RST to a notification ends the observation (RFC 7641 section 4.5)."""
        if record.kind != "RST" or record.direction != "received" or record.message_id is None:
            return
        token = self._notified.pop((record.session, record.message_id), None)
        if token is not None:
            self.endpoint.observers.remove(record.session, token)
            self._observed.pop((record.session, token), None)

    # Time

    def touch(self, client: str | None = None) -> None:
        """Something changed, for one client or for any: notify observers, and set the timer."""
        for notification in self.endpoint.advance(now=self.now(), client=client):
            self._deliver(notification)
        self._wake.set()

    async def run(self) -> None:
        """Run the timers until cancelled."""
        async with asyncio.TaskGroup() as heartbeats:
            while True:
                began = self.now()
                self.touch()
                for number, is_heard in self.endpoint.heartbeats_due(now=self.now()):
                    session = self._sessions[number]
                    heartbeats.create_task(self._send_heartbeat(session, peer_hb_status=is_heard))
                self._wake.clear()
                due_at = self.endpoint.next_timer(now=self.now())
                await asyncio.sleep(min(PAUSE_PER_ROUND * (self.now() - began), MAX_PAUSE_S))
                delay = None if due_at is None else max(0.001, due_at - self.now())
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _deliver(self, notification: Notification) -> None:
        pipe = self._observed[notification.session, notification.token]
        if notification.is_last:
            self.end_observation(pipe)
        self.notify(pipe, notification.response)

    async def _send_heartbeat(self, session: Remote, *, peer_hb_status: bool) -> None:
        message = aiocoap.Message(
            code=aiocoap.PUT,
            uri_path=HEARTBEAT_PATH,
            content_format=DOTS_CBOR,
            payload=encode_heartbeat(Heartbeat(peer_hb_status=peer_hb_status)),
            transport_tuning=aiocoap.Unreliable(),
        )
        sent_at = self.now()
        try:
            async with asyncio.timeout(HEARTBEAT_ANSWER_WITHIN_S):
                await session.request(message)
        except (TimeoutError, error.Error) as reason:
            log.info("%s: heartbeat unanswered: %r", session.hostinfo, reason)
            return
        now = self.now()
        self.endpoint.heartbeat_answered(session.serial, now=now, rtt_s=now - sent_at)
        self.touch(session.peer_common_name)


def _key_of(message: aiocoap.Message) -> _Key:
    return message.remote.serial, message.token
