"""aiocoap, assembled for DOTS: our own tokens, and failures that do not end the session.

aiocoap builds the same stack in `Context._append_tokenmanaged_messagemanaged_transport` and has no
public way to replace its parts. `tests/dots_client/transport/test_coap.py` lists the private parts
used here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import Any, Final, Protocol

import aiocoap
from aiocoap import error, interfaces
from aiocoap.messagemanager import MessageManager
from aiocoap.pipe import Pipe, error_to_message, run_driving_pipe
from aiocoap.tokenmanager import TokenManager

from dots_client.transport.log import CountedLog
from dots_client.transport.message_parser import IncomingMessage

TOKEN_BYTES: Final = 4
DOTS_CBOR: Final = 271
"""Content-Format `application/dots+cbor`."""

OnEvent = Callable[[aiocoap.Message | None, Exception | None], None]


class Site(Protocol):
    """What aiocoap needs of an object that answers requests."""

    async def render_to_pipe(self, pipe: Pipe) -> None: ...


class DotsTokenManager(TokenManager):  # type: ignore[misc]  # aiocoap has no types
    """Random tokens, or the token that a request brings, as a deregistration does."""

    _chosen: bytes = b""

    def next_token(self) -> bytes:
        if self._chosen:
            return self._chosen
        while True:
            token = secrets.token_bytes(TOKEN_BYTES)
            # None after the endpoint was shut down; the link then reports the error to the caller.
            if all(token != taken for taken, _ in self.outgoing_requests or ()):
                return token

    def request(self, request: Pipe) -> None:
        self._chosen = request.request.token
        try:
            super().request(request)
        finally:
            self._chosen = b""

    def request_of(self, response: aiocoap.Message) -> aiocoap.Message | None:
        """The request that a response belongs to, while its answer is still awaited."""
        pipe = (self.outgoing_requests or {}).get((response.token, response.remote))
        return None if pipe is None else pipe.request

    def process_response(self, response: aiocoap.Message) -> bool:
        key = (response.token, response.remote)
        pipe = self.outgoing_requests.get(key)
        if pipe is None:
            self.log.info("Response %r could not be matched to any request", response)
            return False
        # Deployed servers omit the Observe option in the first answer but send notifications, so
        # only an error ends an observation (RFC 7641 section 4.2).
        final = pipe.request.opt.observe != 0 or not response.code.is_successful()
        if final:
            del self.outgoing_requests[key]
        pipe.add_response(response, is_last=final)
        return True


class DotsMessageManager(MessageManager):  # type: ignore[misc]  # aiocoap has no types
    """A Confirmable message without an acknowledgement fails alone, not with its session."""

    token_manager: DotsTokenManager

    def _retransmit(
        self, message: aiocoap.Message, timeout: float, retransmission_counter: int
    ) -> None:
        if retransmission_counter < message.transport_tuning.MAX_RETRANSMIT:
            super()._retransmit(message, timeout, retransmission_counter)
            return
        monitor, _ = self._active_exchanges.pop((message.remote, message.mid))
        pipe = self.token_manager.outgoing_requests.get((message.token, message.remote))
        if message.code.is_request() and pipe is not None:
            pipe.add_exception(error.ConRetransmitsExceeded("Retransmissions exceeded"))
        else:
            monitor()
        self._continue_backlog(message.remote)

    def _store_response_for_duplicates(self, message: aiocoap.Message) -> None:
        """Only an ACK or RST answers a duplicate; aiocoap would use any message with that ID."""
        if message.mtype in (aiocoap.ACK, aiocoap.RST):
            super()._store_response_for_duplicates(message)

    def refuse(self, incoming: IncomingMessage) -> None:
        """Reject a message with an unknown critical option (RFC 7252 section 5.4.1)."""
        message = incoming.message
        if message.mtype is not aiocoap.CON:
            return
        if message.code.is_request():
            refusal = bad_option(incoming)
            refusal.mtype, refusal.mid = aiocoap.ACK, message.mid
        else:
            refusal = aiocoap.Message(_mtype=aiocoap.RST, _mid=message.mid, code=aiocoap.EMPTY)
        refusal.remote = message.remote.as_response_address()
        self._send_initially(refusal)

    def _process_response(self, response: aiocoap.Message) -> bool:
        request = self.token_manager.request_of(response)
        is_expected: bool = super()._process_response(response)
        if is_expected and request is not None:
            self._stop_repeating(request)
        elif response.mtype is aiocoap.NON and response.opt.observe is not None:
            self._reset(response)
        return is_expected

    def _reset(self, notification: aiocoap.Message) -> None:
        """Deregister with a Reset, after the deregistration was lost (RFC 7641 section 3.6)."""
        reset = aiocoap.Message(_mtype=aiocoap.RST, _mid=notification.mid, code=aiocoap.EMPTY)
        reset.remote = notification.remote.as_response_address()
        self._send_initially(reset)

    def _stop_repeating(self, request: aiocoap.Message) -> None:
        """Some servers answer a Confirmable request with a Non-confirmable response and no ACK."""
        exchange = self._active_exchanges.pop((request.remote, request.mid), None)
        if exchange is not None:
            exchange[1].cancel()
            self._continue_backlog(request.remote)


class DotsContext(aiocoap.Context):  # type: ignore[misc]  # aiocoap has no types
    """Creates the coroutine that answers a request only when it runs.

    aiocoap creates it earlier, and never awaits it if the session ends in between.
    """

    def render_to_pipe(self, pipe: Pipe) -> None:
        run_driving_pipe(
            error_to_message(pipe, self.log), _Rendering(self, pipe), name="DOTS answer"
        )


class _Rendering:
    def __init__(self, context: DotsContext, pipe: Pipe) -> None:
        self._context = context
        self._pipe = pipe

    def __await__(self) -> Generator[Any, None, None]:
        rendering: Generator[Any, None, None] = self._context._render_to_pipe(
            self._pipe
        ).__await__()
        return rendering


class Endpoint:
    """One aiocoap context over one of our transports."""

    def __init__(self, site: Site | None) -> None:
        self.log = CountedLog(logging.getLogger("dots_client.transport"))
        self.context = DotsContext(
            loop=asyncio.get_running_loop(), serversite=site, loggername="dots_client.coap"
        )
        self.context.log = CountedLog(self.context.log)
        self.tokens = DotsTokenManager(self.context)
        self.context.request_interfaces.append(self.tokens)

    def request(self, message: aiocoap.Message, on_event: OnEvent) -> Callable[[], None]:
        """Send now, and report each answer or the failure.

        Call the returned function to ignore later answers.
        """

        def forward(event: Any) -> bool:
            on_event(event.message, event.exception)
            return not event.is_last

        pipe = Pipe(message, self.context.log)
        lose_interest: Callable[[], None] = pipe.on_event(forward)
        self.tokens.request(pipe)
        return lose_interest

    def dispatch_error(self, error: Exception, remote: interfaces.EndpointAddress) -> None:
        """Fail all requests to `remote`."""
        self.tokens.dispatch_error(error, remote)

    def name(self, subject: str) -> None:
        """Set the peer's name for log lines."""
        self.log.subject = self.context.log.subject = subject

    async def shutdown(self) -> None:
        await self.context.shutdown()
        self.log.close()
        self.context.log.close()


class CoapEndpoint(Endpoint):
    """Over datagrams, with Message IDs, acknowledgements and retransmission (RFC 7252)."""

    def __init__(self, site: Site | None) -> None:
        super().__init__(site)
        self.messages = DotsMessageManager(self.tokens)
        self.tokens.token_interface = self.messages

    def bind(self, message_interface: interfaces.MessageInterface) -> None:
        self.messages.message_interface = message_interface

    def dispatch_error(self, error: Exception, remote: interfaces.EndpointAddress) -> None:
        self.messages.dispatch_error(error, remote)


class StreamEndpoint(Endpoint):
    """Over streams, which need none of that (RFC 8323)."""

    def bind(self, token_interface: interfaces.TokenInterface) -> None:
        self.tokens.token_interface = token_interface


def bad_option(incoming: IncomingMessage) -> aiocoap.Message:
    """The answer to a request with unknown critical options (RFC 7252 section 5.9.2.3)."""
    numbers = ", ".join(str(number) for number in incoming.not_understood)
    return aiocoap.Message(
        code=aiocoap.BAD_OPTION,
        payload=f"not understood: option {numbers}".encode(),
        _token=incoming.message.token,
    )


@lru_cache(maxsize=256)
def dotted(code: aiocoap.Code) -> str:
    """A code as in RFC 7252 section 3, such as `2.05`."""
    text: str = code.dotted
    return text


def message_bytes(message: aiocoap.Message) -> int:
    """The size of a request in a datagram, in bytes."""
    body = 1 + len(message.payload) if message.payload else 0
    return 4 + TOKEN_BYTES + len(message.opt.encode()) + body
