"""The provider on a network: aiocoap's requests in, its responses, notifications and heartbeats out."""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from collections import deque
from typing import Final

import aiocoap
from aiocoap import error
from aiocoap.pipe import Pipe

from dots_client import Credentials, Heartbeat, MitigationStatus, WireRecord, clean_text
from dots_client.server import (
    HEARTBEAT_PATH,
    DtlsServer,
    Remote,
    Rng,
    ServerSettings,
    TlsServer,
    encode_heartbeat,
    serve_dtls,
    serve_tls,
)
from dots_server.blocks import Blocks, is_follow_up
from dots_server.messages import DOTS_CBOR, Notification, Request, Response, text
from dots_server.signal_channel import Provider
from provider_simulator.behaviour import Behaviour
from provider_simulator.request_log import RequestLog

log = logging.getLogger("provider_simulator")

HEARTBEAT_ANSWER_WITHIN_S: Final = 10.0
MAX_REMEMBERED_NOTIFICATIONS: Final = 4096
PORT_TRIES: Final = 10
REST_PER_ROUND: Final = 4.0
"""Rest after a look at everything that is held, by how long it took: it takes a fifth of the time at most."""
MAX_REST_S: Final = 0.5
SETTINGS: Final = ServerSettings(hands_out_tickets=True)

KNOWN_CRITICAL_OPTIONS: Final = frozenset({1, 3, 7, 11, 15, 17, 23})
"""If-Match, Uri-Host, Uri-Port, Uri-Path, Uri-Query, Accept, Block2."""


class SignalServer:
    """One provider, serving whoever its transports bring; the transports themselves are attached to it."""

    def __init__(self, provider: Provider, *, rng: Rng) -> None:
        self.provider = provider
        self.requests = RequestLog()
        self._rng = rng
        self._servers: list[DtlsServer | TlsServer] = []
        self._sessions: dict[int, Remote] = {}
        self._pipes: dict[tuple[int, bytes], Pipe] = {}
        self._blocks = Blocks()
        self._notified: deque[tuple[int, tuple[int, bytes]]] = deque(
            maxlen=MAX_REMEMBERED_NOTIFICATIONS
        )
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
        """UDP and TCP on one port; with port 0 on one that is free in both."""
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
            settings=SETTINGS,
            on_session=self._session_opened,
            on_session_end=self._session_closed,
        )
        self._servers.append(server)

    async def listen_dtls(self, *, host: str, port: int, credentials: Credentials) -> None:
        server = await serve_dtls(
            self,
            host=host,
            port=port,
            credentials=credentials,
            settings=SETTINGS,
            on_session=self._session_opened,
            on_session_end=self._session_closed,
            on_wire=self._see,
        )
        server.drop_incoming = self._loses
        server.drop_outgoing = self._loses
        self._servers.append(server)

    async def close(self) -> None:
        for server in self._servers:
            await server.close()

    def _session_opened(self, session: Remote) -> None:
        log.info("%s: session with %s", session.hostinfo, clean_text(session.peer_common_name))
        self._sessions[session.serial] = session
        self.provider.open_session(
            session.serial,
            client=session.peer_common_name,
            peer=session.hostinfo,
            now=self.now(),
        )

    def _session_closed(self, session: Remote) -> None:
        log.info("%s: session ended: %s", session.hostinfo, session.reason)
        del self._sessions[session.serial]
        self.provider.close_session(session.serial)

    def _loses(self, _datagram: bytes, _address: object) -> bool:
        return self._rng.random() < self.provider.behaviour.loss

    # Requests

    async def render_to_pipe(self, pipe: Pipe) -> None:
        """Answer one request; an observed one stays here until nobody listens any more."""
        message: aiocoap.Message = pipe.request
        session: Remote = message.remote
        if session.serial not in self._sessions:
            return  # it ended between the request's arrival and now
        if is_follow_up(message):
            await self._say(pipe, self._blocks.later(message))
            return
        at, request = self.now(), request_of(message)
        response = self._judge(message, request, at=at)
        self.requests.add(request, response, client=session.peer_common_name, at=at)
        await self._say(pipe, self._first_block(response, message))

    async def _say(self, pipe: Pipe, response: aiocoap.Message | None) -> None:
        message: aiocoap.Message = pipe.request
        key = (message.remote.serial, message.token)
        if response is None:
            self._stay_silent(message)
        elif response.opt.observe is None:
            pipe.add_response(response, is_last=True)
        else:
            self._pipes[key] = pipe
            pipe.add_response(response)
        self.touch(message.remote.peer_common_name)
        if response is not None and response.opt.observe is not None:
            await self._until_nobody_listens(key, pipe)

    def _first_block(
        self, response: Response | None, message: aiocoap.Message
    ) -> aiocoap.Message | None:
        return None if response is None else self._blocks.first(message_of(response), message)

    def _judge(self, message: aiocoap.Message, request: Request, *, at: float) -> Response | None:
        if (unknown := _unknown_critical_option(message)) is not None:
            return text("4.02", f"option {unknown} is not supported")
        if message.opt.accept not in (None, DOTS_CBOR):
            return text("4.06", f"only Content-Format {DOTS_CBOR} is served")
        return self.provider.receive(message.remote.serial, request, now=at)

    def _stay_silent(self, message: aiocoap.Message) -> None:
        """Let go of a request that gets no answer; aiocoap would keep it as long as the session."""
        _, stop = message.remote.endpoint.tokens.incoming_requests[message.token, message.remote]
        stop()

    async def _until_nobody_listens(self, key: tuple[int, bytes], pipe: Pipe) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            # The same token may already belong to a newer request.
            if self._pipes.get(key) is pipe:
                del self._pipes[key]
                self.provider.observers.remove(*key)

    # Time

    def touch(self, client: str | None = None) -> None:
        """Something happened, to this client only if one is named: tell its observers now, and set the timer anew."""
        for notification in self.provider.advance(now=self.now(), client=client):
            self._notify(notification)
        self._wake.set()

    async def run(self) -> None:
        """Keep time until cancelled."""
        async with asyncio.TaskGroup() as heartbeats:
            while True:
                began = self.now()
                self.touch()
                for number, peer_hb_status in self.provider.heartbeats_due(now=self.now()):
                    session = self._sessions[number]
                    heartbeats.create_task(self._send_heartbeat(session, peer_hb_status))
                self._wake.clear()
                due_at = self.provider.next_timer(now=self.now())
                # Who holds much looks at all of it less often: answering goes before.
                await asyncio.sleep(min(REST_PER_ROUND * (self.now() - began), MAX_REST_S))
                delay = None if due_at is None else max(0.001, due_at - self.now())
                try:
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    def _notify(self, notification: Notification) -> None:
        key = (notification.session, notification.token)
        pipe = self._pipes[key]
        message = self._blocks.first(message_of(notification.response), pipe.request)
        # RFC 9132 section 4.4.2.1: notifications are Non-confirmable, always.
        message.transport_tuning = aiocoap.Unreliable()
        if notification.is_last:
            del self._pipes[key]
        pipe.add_response(message, is_last=notification.is_last)
        self._notified.append((message.mid, key))

    async def _send_heartbeat(self, session: Remote, peer_hb_status: bool) -> None:  # noqa: FBT001 - named by the RFC
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
        self.provider.heartbeat_answered(session.serial, now=now, rtt_s=now - sent_at)
        self.touch()

    def _see(self, record: WireRecord) -> None:
        """A client that answers a notification with RST does not listen any more (RFC 7641 section 4.5)."""
        if record.kind != "RST" or record.direction != "received":
            return
        for message_id, key in self._notified:
            if message_id == record.message_id:
                self.provider.observers.remove(*key)
                self._pipes.pop(key, None)

    # The operator

    def behave(self, behaviour: Behaviour) -> None:
        self.provider.behaviour = behaviour
        self.touch()

    def set_status(
        self, cuid: str, mid: int, status: MitigationStatus, *, retry_timer_s: int | None = None
    ) -> bool:
        found = self.provider.set_status(
            cuid, mid, status, now=self.now(), retry_timer_s=retry_timer_s
        )
        self.touch()
        return found

    def lose(self, client: str) -> None:
        """Conclude now, and not after minutes of silence, that the signal of a client is lost."""
        self.provider.lose_signal(client, now=self.now())
        self.touch()

    def forget(self) -> None:
        self.provider.forget()
        self.touch()

    def crash(self) -> None:
        """Lose all state and sessions without a word to anybody, as after a power cut."""
        self.provider.crash()
        self._pipes.clear()
        for session in tuple(self._sessions.values()):
            session.forget("the provider crashed")
        self.touch()


def request_of(message: aiocoap.Message) -> Request:
    return Request(
        method=message.code.name,
        path=message.opt.uri_path,
        queries=message.opt.uri_query,
        payload=message.payload,
        content_format=number(message.opt.content_format),
        if_match=message.opt.if_match,
        observe=message.opt.observe,
        hop_limit=number(message.opt.hop_limit),
        token=message.token,
    )


def message_of(response: Response) -> aiocoap.Message:
    message = aiocoap.Message(code=_code_of(response.code), payload=response.payload)
    message.opt.content_format = response.content_format
    message.opt.max_age = response.max_age
    message.opt.observe = response.observe
    return message


def _code_of(dotted: str) -> aiocoap.Code:
    group, _, detail = dotted.partition(".")
    return aiocoap.Code(int(group) << 5 | int(detail))


def _unknown_critical_option(message: aiocoap.Message) -> int | None:
    """RFC 7252 section 5.4.1; aiocoap leaves it to the resource."""
    for option in message.opt.option_list():
        if option.number.is_critical() and option.number not in KNOWN_CRITICAL_OPTIONS:
            return int(option.number)
    return None


def number(value: int | None) -> int | None:
    return None if value is None else int(value)
