"""A provider of a life: `dots_server` with the behaviours of deployed servers, on a simulated
network.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

import aiocoap

from dots_client import Heartbeat
from dots_client.server import DOTS_CBOR, HEARTBEAT_PATH, encode_heartbeat
from dots_client.transport.message_parser import read_datagram
from dots_server.coap import message_of, request_of
from dots_server.messages import Request, Response
from dots_server.mitigation import Mitigation
from dots_server.targets import Entitlement
from provider_simulator.behaviour import Behaviour
from provider_simulator.provider import Provider
from tests.simulation.network import Datagram, Deliver, Kind
from tests.simulation.virtual_loop import OUTSIDE

MAX_BYTES: Final = 8192
SOONEST_S: Final = 0.001

OnRequest = Callable[["SimulatedProvider", str, Request, Response | None], None]
"""Called with the client and its request after each answer; None: silence."""


@dataclass(slots=True)
class _Session:
    client: str
    answer: Deliver
    seen: dict[int, bytes | None] = field(default_factory=dict)
    "the answers by Message ID: a repeated datagram is not a second request"
    heartbeats: dict[bytes, float] = field(default_factory=dict)
    "our own under way: when each was sent, by token"
    observed: dict[int, bytes] = field(default_factory=dict)
    "the tokens of notifications, by Message ID"


class SimulatedProvider:
    """One provider's server process."""

    def __init__(
        self,
        name: str,
        *,
        entitlements: dict[str, Entitlement],
        chance: Random,
        behaviour: Behaviour,
        on_request: OnRequest,
    ) -> None:
        self.name = name
        self.is_away = False
        self._provider = Provider(entitlements=entitlements, rng=chance, behaviour=behaviour)
        self._on_request = on_request
        self._sessions: dict[int, _Session] = {}
        self._message_id = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    # The operator

    def behave(self, behaviour: Behaviour) -> None:
        self._provider.behaviour = behaviour
        self._tick()

    def forget_mitigations(self) -> None:
        self._provider.forget_mitigations()

    def crash(self) -> None:
        """Lose everything without telling any client."""
        self._provider.forget_everything()
        self._sessions.clear()
        self.is_away = True

    def end_sessions(self) -> None:
        """An orderly restart of the server: the clients get close_notify."""
        for number, session in list(self._sessions.items()):
            session.answer(Datagram(Kind.BYE, number))
            self._close(number)

    @property
    def held(self) -> list[Mitigation]:
        return list(self._provider.register)

    # The network

    def receive(self, datagram: Datagram, *, client: str, answer: Deliver) -> None:
        if self.is_away:
            return
        number = datagram.session
        match datagram.kind:
            case Kind.HELLO:
                if number not in self._sessions:
                    self._sessions[number] = _Session(client, answer)
                    self._provider.open_session(number, client=client, peer=client, now=_now())
                answer(Datagram(Kind.WELCOME, number))
            case Kind.BYE:
                self._close(number)
            case Kind.DATA if (session := self._sessions.get(number)) is not None:
                self._receive_message(number, session, datagram.message)
        self._tick(client)

    def _close(self, number: int) -> None:
        if self._sessions.pop(number, None) is not None:
            self._provider.close_session(number)

    def _receive_message(self, number: int, session: _Session, encoded: bytes) -> None:
        message = read_datagram(encoded, max_bytes=MAX_BYTES).message
        if message.code.is_request():
            self._receive_request(number, session, message)
        elif message.mtype is aiocoap.RST:
            if (token := session.observed.get(message.mid)) is not None:
                self._provider.observers.remove(number, token)
        elif (sent_at := session.heartbeats.pop(message.token, None)) is not None:
            now = _now()
            self._provider.heartbeat_answered(number, now=now, rtt_s=now - sent_at)

    def _receive_request(self, number: int, session: _Session, message: aiocoap.Message) -> None:
        if message.mid in session.seen:
            if (answered := session.seen[message.mid]) is not None:
                session.answer(Datagram(Kind.DATA, number, answered))
            return
        request = request_of(message)
        response = self._provider.receive(number, request, now=_now())
        self._on_request(self, session.client, request, response)
        is_confirmable = message.mtype is aiocoap.CON
        session.seen[message.mid] = None
        if response is not None:
            sent = self._send(
                number,
                message_of(response),
                token=message.token,
                acknowledges=message.mid if is_confirmable else None,
            )
            session.seen[message.mid] = sent if is_confirmable else None

    def _send(
        self,
        number: int,
        message: aiocoap.Message,
        *,
        token: bytes,
        acknowledges: int | None = None,
    ) -> bytes:
        self._message_id = (self._message_id + 1) % 65536
        message.token = token
        is_answer = acknowledges is not None
        message.mtype = aiocoap.ACK if is_answer else aiocoap.NON
        message.mid = acknowledges if is_answer else self._message_id
        encoded: bytes = message.encode()
        session = self._sessions[number]
        if message.opt.observe is not None:
            session.observed[message.mid] = token
        session.answer(Datagram(Kind.DATA, number, encoded))
        return encoded

    # Time

    def _tick(self, client: str | None = None) -> None:
        """Notify, send heartbeats, and set the timer."""
        now = _now()
        for notification in self._provider.advance(now=now, client=client):
            if notification.session in self._sessions:
                message = message_of(notification.response)
                self._send(notification.session, message, token=notification.token)
        for number, is_heard in self._provider.heartbeats_due(now=now):
            self._send_heartbeat(number, peer_hb_status=is_heard)
        due_at = self._provider.next_timer(now=now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due_at is not None:
            delay_s = max(SOONEST_S, due_at - now)
            self._timer = self._loop.call_later(delay_s, self._tick, context=OUTSIDE)

    def _send_heartbeat(self, number: int, *, peer_hb_status: bool) -> None:
        if (session := self._sessions.get(number)) is None:
            return
        message = aiocoap.Message(
            code=aiocoap.PUT,
            uri_path=HEARTBEAT_PATH,
            content_format=DOTS_CBOR,
            payload=encode_heartbeat(Heartbeat(peer_hb_status=peer_hb_status)),
        )
        token = self._message_id.to_bytes(4, "big")
        session.heartbeats[token] = _now()
        self._send(number, message, token=token)


def _now() -> float:
    return time.time()
