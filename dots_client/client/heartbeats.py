"""Heartbeats in both directions (RFC 9132 section 4.7)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import aiocoap
from aiocoap import Code, resource
from aiocoap.numbers.optionnumbers import OptionNumber

from dots_client.client.request_layer import OnOutcome, Outcome, Request, RequestLayer
from dots_client.client.responses import raise_for
from dots_client.codec import HEARTBEAT_PATH, decode_heartbeat, encode_heartbeat
from dots_client.errors import (
    DecodeError,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
    SessionClosed,
)
from dots_client.model import Heartbeat
from dots_client.session import Liveness
from dots_client.transport.coap import DOTS_CBOR

MAX_OUTSTANDING_HEARTBEATS: Final = 16
"""Answers to older heartbeats are ignored."""

_KNOWN_CRITICAL_OPTIONS: Final = frozenset(
    {
        OptionNumber.URI_HOST,
        OptionNumber.URI_PORT,
        OptionNumber.URI_PATH,
        OptionNumber.URI_QUERY,
        OptionNumber.ACCEPT,
        OptionNumber.BLOCK1,
        OptionNumber.BLOCK2,
    }
)


class HeartbeatSite(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Answers the server's heartbeats, the only requests that a client serves."""

    def __init__(self) -> None:
        super().__init__()
        self.on_heartbeat: Callable[[], None] | None = None

    async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
        return False

    async def render(self, request: aiocoap.Message) -> aiocoap.Message:
        for option in request.opt.option_list():
            if option.number.is_critical() and option.number not in _KNOWN_CRITICAL_OPTIONS:
                return _refusal(Code.BAD_OPTION, f"option {int(option.number)} is not known")
        if request.opt.uri_path != HEARTBEAT_PATH:
            return _refusal(Code.NOT_FOUND, "a DOTS client serves heartbeats only")
        if request.code is not Code.PUT:
            return _refusal(Code.METHOD_NOT_ALLOWED, "a heartbeat is a PUT")
        if request.opt.content_format not in (DOTS_CBOR, None):
            return _refusal(Code.UNSUPPORTED_CONTENT_FORMAT, "expected application/dots+cbor")
        try:
            decode_heartbeat(request.payload)
        except DecodeError as error:
            return _refusal(Code.BAD_REQUEST, str(error))
        if self.on_heartbeat is not None:
            self.on_heartbeat()
        return aiocoap.Message(code=Code.CHANGED)


def _refusal_in(answer: aiocoap.Message) -> Refused | ServerUnavailable | None:
    try:
        raise_for(answer)
    except (Refused, ServerUnavailable) as refusal:
        return refusal
    except RemoteProtocolError:
        return None
    return None


def _code(refusal: Refused | ServerUnavailable | None) -> str:
    return "" if refusal is None else refusal.code


def _refusal(code: aiocoap.Code, diagnostic: str) -> aiocoap.Message:
    return aiocoap.Message(code=code, payload=diagnostic.encode())


class Heartbeats:
    """Sends the client's heartbeats when they are due."""

    def __init__(self, requests: RequestLayer, liveness: Liveness) -> None:
        self.refusal: Refused | ServerUnavailable | None = None
        "of the last answer; None: a success, or no answer yet"
        self.refusal_changed = asyncio.Event()
        "set when the code of `refusal` changes; the reader clears it"
        self._requests = requests
        self._liveness = liveness
        self._outstanding: deque[Callable[[], None]] = deque()
        self._rescheduled = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> SessionClosed:
        """Send heartbeats until too many in a row have no answer.

        Returns that as the reason to end the session.
        """
        while True:
            self._rescheduled.clear()
            now = self._loop.time()
            if self._liveness.is_lost(now=now):
                unanswered = self._liveness.unanswered
                return SessionClosed(
                    "a heartbeat had no answer in time"
                    if unanswered == 1
                    else f"{unanswered} heartbeats in a row had no answer"
                )
            if self._liveness.is_due(now=now):
                self.send(lambda _outcome: None)
            await self._wait()

    def send(self, on_outcome: OnOutcome) -> None:
        def on_answer(outcome: Outcome) -> None:
            if isinstance(outcome, aiocoap.Message):
                before, self.refusal = self.refusal, _refusal_in(outcome)
                if _code(before) != _code(self.refusal):
                    self.refusal_changed.set()
            on_outcome(outcome)

        now = self._loop.time()
        heartbeat = Heartbeat(peer_hb_status=self._liveness.peer_hb_status(now=now))
        request = Request(code=Code.PUT, path=HEARTBEAT_PATH, payload=encode_heartbeat(heartbeat))
        if len(self._outstanding) == MAX_OUTSTANDING_HEARTBEATS:
            self._outstanding.popleft()()
        self._outstanding.append(self._requests.transmit(request, on_answer))
        self._liveness.sent(now=now)

    def reschedule(self) -> None:
        """Set the timer again, after `liveness` changed."""
        self._rescheduled.set()

    async def _wait(self) -> None:
        due_at = self._liveness.next_timer()
        try:
            async with asyncio.timeout_at(due_at):
                await self._rescheduled.wait()
        except TimeoutError:
            return
