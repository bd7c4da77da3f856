"""The request/response layer of CoAP over one session (RFC 7252 section 5)."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import aiocoap

from dots_client.errors import (
    DotsError,
    NoAnswer,
    RemoteProtocolError,
    RequestTooLarge,
    SessionClosed,
)
from dots_client.rng import Rng
from dots_client.session import (
    Pacer,
    Retransmission,
    RetransmissionSettings,
    RttEstimator,
    SessionParameters,
)
from dots_client.transport.coap import DOTS_CBOR, message_bytes
from dots_client.transport.link import Link
from dots_client.transport.remote import Remote

log = logging.getLogger("dots_client")

MAX_OUTSTANDING_REPEATS: Final = 32
"""Repeats of one request. Answers to older ones are ignored."""
MAX_BLOCKS: Final = 64
"""Blocks of one answer: 64 KiB, more than any list of mitigations has."""

OnSent = Callable[[int], None]
"""Called after each transmission with the number of transmissions so far."""
Outcome: TypeAlias = aiocoap.Message | DotsError
"""The result of one transmission: a response or an error."""
OnOutcome = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request. Each transmission makes a new message from it."""

    code: aiocoap.Code
    path: tuple[str, ...]
    payload: bytes = b""
    queries: tuple[str, ...] = ()
    must_exist: bool = False
    "an empty If-Match: the request must not create anything"
    observe: int | None = None
    block2: tuple[int, bool, int] | None = None
    etag: bytes | None = None
    hop_limit: int | None = None
    "only for gateways (RFC 8768): how many more gateways may forward it"
    token: bytes = b""
    "empty: a random one for each transmission"

    def message(self, tuning: aiocoap.TransportTuning) -> aiocoap.Message:
        message = aiocoap.Message(
            code=self.code,
            uri_path=self.path,
            uri_query=self.queries,
            payload=self.payload,
            transport_tuning=tuning,
            _token=self.token,
            observe=self.observe,
            block2=self.block2,
        )
        if self.payload:
            message.opt.content_format = DOTS_CBOR
        if self.must_exist:
            message.opt.if_match = [b""]
        if self.etag is not None:
            message.opt.etag = self.etag
        message.opt.hop_limit = self.hop_limit
        return message


_NON_CONFIRMABLE: Final = aiocoap.Unreliable()


def _ignore(_response: aiocoap.Message) -> None:
    """The default of `on_response`."""


class RequestLayer:
    """Sends requests to one server and matches the responses."""

    def __init__(
        self,
        link: Link[Remote],
        *,
        rng: Rng,
        rtt: RttEstimator,
        settings: RetransmissionSettings,
        on_answer: Callable[[], None],
        on_response: Callable[[aiocoap.Message], None] = _ignore,
    ) -> None:
        self.link = link
        self.rtt = rtt
        self._rng = rng
        self._settings = settings
        self._on_answer = on_answer
        self._on_response = on_response
        self._loop = asyncio.get_running_loop()
        self._pacer = Pacer(now=self._loop.time())

    async def request(
        self,
        request: Request,
        *,
        deadline_s: float | None = None,
        on_sent: OnSent | None = None,
    ) -> aiocoap.Message:
        """Send a Non-confirmable request until an answer comes, each time with new identifiers.

        The first answer to any of the repeats wins (RFC 9132 section 4.4). Raises NoAnswer after
        `deadline_s` seconds, SessionClosed and RequestTooLarge.
        """
        schedule = Retransmission(
            now=self._loop.time(), rng=self._rng, deadline_s=deadline_s, settings=self._settings
        )
        answer = _Answer(self._loop, self.link.closed)
        outstanding: deque[Callable[[], None]] = deque()
        try:
            while (due_at := schedule.next_timer()) is not None:
                is_repeat = schedule.transmissions > 0
                if is_repeat and self.link.is_reliable:
                    break
                if await answer.arrives_before(due_at):
                    return answer.result()
                if is_repeat and await self._settles_before_slot(answer, schedule.ends_at):
                    return answer.result()
                if len(outstanding) == MAX_OUTSTANDING_REPEATS:
                    outstanding.popleft()()
                outstanding.append(self.transmit(request, answer.settle, has_slot=is_repeat))
                schedule.sent(now=self._loop.time(), rtt_s=self.rtt.rtt_s)
                if on_sent is not None:
                    on_sent(schedule.transmissions)
            if schedule.ends_at is None:
                return await answer.arrives()
            if await answer.arrives_before(schedule.ends_at):
                return answer.result()
            raise NoAnswer(f"no answer within {deadline_s:g} s")
        finally:
            for lose_interest in outstanding:
                lose_interest()

    async def request_confirmable(
        self, request: Request, parameters: SessionParameters
    ) -> aiocoap.Message:
        """Send a Confirmable request, which CoAP retransmits with the negotiated parameters.

        RFC 9132 section 4.5.
        """
        answer = _Answer(self._loop, self.link.closed)
        lose_interest = self.transmit(request, answer.settle, tuning=_tuning(parameters))
        patience_s = _transmit_wait_s(parameters) if self.link.is_reliable else None
        try:
            async with asyncio.timeout(patience_s):
                return await answer.arrives()
        except TimeoutError:
            raise NoAnswer(f"no answer within {patience_s:g} s") from None
        finally:
            lose_interest()

    def check(self, request: Request) -> None:
        """Raise the error that sending `request` would raise."""
        self._prepared(request, _NON_CONFIRMABLE)

    def slot_for_repeat(self) -> float:
        """Loop time at which a repeat may go out: one datagram per round trip (SC-018)."""
        return self._pacer.reserve(now=self._loop.time(), rtt_s=self.rtt.rtt_s)

    async def _settles_before_slot(self, answer: _Answer, ends_at: float | None) -> bool:
        slot = self.slot_for_repeat()
        return await answer.arrives_before(slot if ends_at is None else min(slot, ends_at))

    async def request_blockwise(self, request: Request) -> aiocoap.Message:
        """Send a request whose answer may come in several blocks (RFC 7959)."""
        return await self.fetch_blocks(request, await self.request(request))

    async def fetch_blocks(self, request: Request, first: aiocoap.Message) -> aiocoap.Message:
        """Fetch the blocks after the first, in the size that the server chose (RFC 7959)."""
        block = first.opt.block2
        body = first.payload
        number = 0
        while block is not None and block.more:
            number += 1
            if number == MAX_BLOCKS:
                raise RemoteProtocolError(f"the answer has more than {MAX_BLOCKS} blocks")
            following = Request(
                code=request.code,
                path=request.path,
                queries=request.queries,
                block2=(number, False, block.size_exponent),
                etag=first.opt.etag,
                hop_limit=request.hop_limit,
            )
            response = await self.request(following)
            if not response.code.is_successful():
                return response
            block = response.opt.block2
            if block is None or block.block_number != number or response.opt.etag != first.opt.etag:
                raise RemoteProtocolError("the answer changed between its blocks")
            body += response.payload
        first.payload = body
        return first

    def transmit(
        self,
        request: Request,
        on_outcome: OnOutcome,
        *,
        tuning: aiocoap.TransportTuning = _NON_CONFIRMABLE,
        has_slot: bool = False,
    ) -> Callable[[], None]:
        """Send one message now and report its outcome.

        Call the returned function to ignore later answers.
        """

        def on_event(message: aiocoap.Message | None, error: Exception | None) -> None:
            try:
                outcome = self._outcome(request, sent_at, message, error)
            except Exception:
                # After any defect the caller still waits for an outcome.
                log.exception("%s: this client failed on an answer", self.link.peer)
                outcome = RemoteProtocolError("the answer could not be processed")
            on_outcome(outcome)

        message = self._prepared(request, tuning)
        sent_at = self._loop.time()
        if not has_slot:
            self._pacer.sent(now=sent_at, rtt_s=self.rtt.rtt_s)
        return self.link.endpoint.request(message, on_event)

    def _outcome(
        self,
        request: Request,
        sent_at: float,
        message: aiocoap.Message | None,
        error: Exception | None,
    ) -> Outcome:
        if message is None:
            if self.link.closed.done():
                return SessionClosed(self.link.closed.result())
            return NoAnswer(f"no answer: {error!r}")
        self._on_response(message)
        # Later messages of an observation do not answer the request.
        if request.observe is None:
            self.rtt.add(self._loop.time() - sent_at)
            self._on_answer()
        return message

    def _prepared(self, request: Request, tuning: aiocoap.TransportTuning) -> aiocoap.Message:
        if self.link.closed.done():
            raise SessionClosed(self.link.closed.result())
        message = request.message(tuning)
        message.remote = self.link.remote
        size = message_bytes(message)
        if size > self.link.max_message_bytes:
            bound = "the server takes" if self.link.is_reliable else "one datagram holds"
            raise RequestTooLarge(size, self.link.max_message_bytes, bound=bound)
        return message


class _Answer:
    """The first outcome of several transmissions, or the end of the session."""

    def __init__(self, loop: asyncio.AbstractEventLoop, closed: asyncio.Future[str]) -> None:
        self._loop = loop
        self._closed = closed
        self._outcome: Outcome | None = None
        self._settled: asyncio.Future[None] = loop.create_future()

    def settle(self, outcome: Outcome) -> None:
        if not self._settled.done():
            self._outcome = outcome
            self._settled.set_result(None)

    def result(self) -> aiocoap.Message:
        if not self._settled.done():
            raise SessionClosed(self._closed.result())
        if isinstance(self._outcome, DotsError):
            raise self._outcome
        return self._outcome

    async def arrives(self) -> aiocoap.Message:
        await self._wait(None)
        return self.result()

    async def arrives_before(self, when: float) -> bool:
        delay_s = when - self._loop.time()
        if delay_s > 0:
            await self._wait(delay_s)
        return self._is_known()

    async def _wait(self, timeout_s: float | None) -> None:
        if not self._is_known():
            await asyncio.wait(
                (self._settled, self._closed),
                timeout=timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )

    def _is_known(self) -> bool:
        return self._settled.done() or self._closed.done()


def _transmit_wait_s(parameters: SessionParameters) -> float:
    """MAX_TRANSMIT_WAIT: how long a Confirmable request may wait for its answer.

    RFC 7252 section 4.8.2.
    """
    doublings: int = 2 ** (parameters.max_retransmit + 1) - 1
    return parameters.ack_timeout_s * doublings * parameters.ack_random_factor


def _tuning(parameters: SessionParameters) -> aiocoap.TransportTuning:
    tuning = aiocoap.Reliable()
    tuning.ACK_TIMEOUT = parameters.ack_timeout_s
    tuning.ACK_RANDOM_FACTOR = parameters.ack_random_factor
    tuning.MAX_RETRANSMIT = parameters.max_retransmit
    return tuning
