"""A gateway on a network: a DOTS server to its clients, a DOTS client to the provider behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

import aiocoap
from aiocoap.pipe import Pipe
from cryptography.hazmat.primitives.serialization import Encoding

from dots_client import Client, DotsError, LocalProtocolError, Redirected, cuid_from_certificate
from dots_client.server import REGISTER, ForwardedRequest, Forwarding, Rng
from dots_server.blocks import is_follow_up
from dots_server.messages import Request, Response, text
from dots_server.server import SignalServer, message_of, number, request_of
from provider_simulator.gateway_policy import PASS_ON, Gateway
from provider_simulator.upstream import OVER, Upstream

ANSWER_WITHIN_S: Final = 2.0
"""Then the provider is asked whether it is there, so that clients hear of it before they take us for dead. Nothing is
repeated: who asks does that, for both ways."""
TRY_AGAIN_AFTER_S: Final = 5
MAX_WAITING: Final = 256
"""Requests that wait for the provider at once."""
MAX_OBSERVATIONS: Final = 1024
TOO_BUSY: Final = "the gateway is too busy"


class GatewayServer(SignalServer):
    """Passes on what is about mitigations, one by one, and tells what comes back."""

    def __init__(self, gateway: Gateway, upstream: Upstream, *, rng: Rng) -> None:
        super().__init__(gateway, rng=rng)
        self.gateway = gateway
        self.upstream = upstream
        self.passed_on = 0
        self._waiting = 0
        self._observations = 0

    async def render_to_pipe(self, pipe: Pipe) -> None:
        message: aiocoap.Message = pipe.request
        if message.remote.serial not in self._sessions or is_follow_up(message):
            await super().render_to_pipe(pipe)
            return
        at, request = self.now(), request_of(message)
        response = self._judge(message, request, at=at)
        if response is PASS_ON and request.method == "GET" and request.observe == REGISTER:
            await self._observe(pipe, request, at=at)
            return
        if response is PASS_ON:
            response = await self._ask(message, request)
        self._note(message, request, response, at=at)
        await self._say(pipe, self._first_block(response, message))

    def state(self) -> dict[str, Any]:
        """What the gateway knows, as JSON."""
        client = self.upstream.client
        return {
            "upstream": {
                "server": self.upstream.server.name,
                "is_up": client is not None,
                "why": "" if client is not None else self.upstream.why,
            },
            "sessions": self.gateway.state(now=self.now())["sessions"],
            "passed_on": self.passed_on,
            "observations": self._observations,
        }

    # One answer

    async def _ask(self, message: aiocoap.Message, request: Request) -> Response | None:
        """None is silence: the provider is there, and says nothing."""
        client = self._provider()
        if client is None:
            return _unavailable(self.upstream.why)
        if self._waiting >= MAX_WAITING:
            return _unavailable(TOO_BUSY)
        self._waiting += 1
        try:
            with Forwarding(client, self._onward(message, request)) as forwarding:
                return await self._next(client, forwarding, within_s=ANSWER_WITHIN_S)
        finally:
            self._waiting -= 1

    async def _next(
        self, client: Client, forwarding: Forwarding, *, within_s: float | None
    ) -> Response | None:
        """What the provider says next, or why it cannot be asked."""
        try:
            async with asyncio.timeout(within_s):
                return self._told(await forwarding.next_answer())
        except TimeoutError:
            is_there = await self.upstream.answers(client)
            return None if is_there else _unavailable(self.upstream.why)
        except LocalProtocolError:
            return text("4.13", "the request is too large with what a gateway adds")
        except Redirected:
            # It is for the session upstream, which follows it.
            return _unavailable("the provider has another server")
        except DotsError:
            return _unavailable(OVER)

    def _provider(self) -> Client | None:
        self.upstream.wanted()
        return self.upstream.client

    def _onward(self, message: aiocoap.Message, request: Request) -> ForwardedRequest:
        self.passed_on += 1
        certificate = message.remote.peer_certificate.public_bytes(Encoding.PEM)
        return self.gateway.onward(
            request,
            client=message.remote.peer_common_name,
            domain=cuid_from_certificate(certificate),
        )

    def _told(self, answer: aiocoap.Message) -> Response:
        return self.gateway.named(
            Response(
                code=answer.code.dotted,
                payload=answer.payload,
                content_format=number(answer.opt.content_format),
                max_age=answer.opt.max_age,
                observe=answer.opt.observe,
            )
        )

    def _note(
        self, message: aiocoap.Message, request: Request, response: Response | None, *, at: float
    ) -> None:
        self.requests.add(request, response, client=message.remote.peer_common_name, at=at)

    # Notifications

    async def _observe(self, pipe: Pipe, request: Request, *, at: float) -> None:
        """One observation of ours for each of a client, for as long as that one listens."""
        message, client = pipe.request, self._provider()
        if client is None or self._observations >= MAX_OBSERVATIONS:
            response = _unavailable(self.upstream.why if client is None else TOO_BUSY)
            self._note(message, request, response, at=at)
            await self._say(pipe, self._first_block(response, message))
            return
        key = (message.remote.serial, message.token)
        self._observations += 1
        self._pipes[key] = pipe
        try:
            with Forwarding(client, self._onward(message, request)) as forwarding:
                first = await self._next(client, forwarding, within_s=ANSWER_WITHIN_S)
                self._note(message, request, first, at=at)
                goes_on = self._pass_notification(pipe, first)
                while goes_on:
                    later = await self._next(client, forwarding, within_s=None)
                    goes_on = self._pass_notification(pipe, later, is_unreliable=True)
        finally:
            self._observations -= 1
            # The same token may already belong to a newer request.
            if self._pipes.get(key) is pipe:
                del self._pipes[key]

    def _pass_notification(
        self, pipe: Pipe, response: Response | None, *, is_unreliable: bool = False
    ) -> bool:
        """Whether more may follow."""
        message: aiocoap.Message = pipe.request
        key = (message.remote.serial, message.token)
        is_listened_to = self._pipes.get(key) is pipe
        if not is_listened_to:
            return False
        if response is None:
            self._stay_silent(message)
            return False
        goes_on = response.observe is not None and response.is_success
        # Our own count: that of the provider begins anew with each session of ours.
        sequence = self.gateway.observers.next_sequence() if goes_on else None
        told = self._blocks.first(message_of(replace(response, observe=sequence)), message)
        if is_unreliable:
            told.transport_tuning = aiocoap.Unreliable()
        pipe.add_response(told, is_last=not goes_on)
        self._notified.append((told.mid, key))
        return goes_on


def _unavailable(why: str) -> Response:
    return text("5.03", why, max_age=TRY_AGAIN_AFTER_S)
