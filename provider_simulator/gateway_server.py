"""A gateway on a network: a DOTS server to its clients, a DOTS client to the provider behind it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

import aiocoap
from aiocoap.pipe import Pipe
from cryptography.hazmat.primitives.serialization import Encoding

from dots_client import Client, DotsError, LocalProtocolError, Redirected, cuid_from_certificate
from dots_client.server import REGISTER, ForwardedRequest, Forwarding
from dots_server.coap import response_of
from dots_server.messages import Request, Response, text
from dots_server.server import SignalServer
from provider_simulator.gateway_policy import FORWARD, Gateway
from provider_simulator.request_log import RequestLog
from provider_simulator.upstream import OVER, Upstream

ANSWER_WITHIN_S: Final = 2.0
"""After this time a heartbeat checks the provider, so that clients learn that the provider is lost
before they conclude that the gateway is. The gateway repeats nothing: clients repeat their
requests, which covers both hops.
"""
RETRY_AFTER_S: Final = 5
MAX_WAITING: Final = 256
"""Requests that wait for the provider at once."""
MAX_OBSERVATIONS: Final = 1024
TOO_BUSY: Final = "the gateway is too busy"


class GatewayServer(SignalServer):
    """Forwards each request about mitigations, and returns the answers."""

    def __init__(self, gateway: Gateway, upstream: Upstream) -> None:
        self.gateway = gateway
        self.upstream = upstream
        self.requests = RequestLog()
        self.forwarded = 0
        self._waiting = 0
        self._observations = 0
        super().__init__(gateway, on_answer=self.requests.add)

    async def answer(
        self, pipe: Pipe, request: Request, response: Response | None, *, at: float
    ) -> None:
        if response is not FORWARD:
            await super().answer(pipe, request, response, at=at)
        elif request.method == "GET" and request.observe == REGISTER:
            await self._observe(pipe, request, at=at)
        else:
            await super().answer(pipe, request, await self._ask(pipe, request), at=at)

    def state(self) -> dict[str, Any]:
        """What the gateway knows, as JSON."""
        client = self.upstream.client
        return {
            "upstream": {
                "server": self.upstream.server.name,
                "is_up": client is not None,
                "why": "" if client is not None else self.upstream.why,
            },
            "sessions": [session.as_json() for session in self.gateway.sessions.values()],
            "passed_on": self.forwarded,
            "observations": self._observations,
        }

    # One answer

    async def _ask(self, pipe: Pipe, request: Request) -> Response | None:
        """None is silence: the provider does not answer this request, but it answers heartbeats."""
        client = self._provider()
        if client is None:
            return _unavailable(self.upstream.why)
        if self._waiting >= MAX_WAITING:
            return _unavailable(TOO_BUSY)
        self._waiting += 1
        try:
            with Forwarding(client, self._forwarded(pipe, request)) as forwarding:
                return await self._next(client, forwarding, within_s=ANSWER_WITHIN_S)
        finally:
            self._waiting -= 1

    async def _next(
        self, client: Client, forwarding: Forwarding, *, within_s: float | None
    ) -> Response | None:
        """The provider's next answer, or why there is none."""
        try:
            async with asyncio.timeout(within_s):
                return self.gateway.named(response_of(await forwarding.next_answer()))
        except TimeoutError:
            is_there = await self.upstream.answers(client)
            return None if is_there else _unavailable(self.upstream.why)
        except LocalProtocolError:
            return text("4.13", "the request is too large with the options that the gateway adds")
        except Redirected:
            # The session upstream follows it.
            return _unavailable("the provider has another server")
        except DotsError:
            return _unavailable(OVER)

    def _provider(self) -> Client | None:
        self.upstream.wanted()
        return self.upstream.client

    def _forwarded(self, pipe: Pipe, request: Request) -> ForwardedRequest:
        self.forwarded += 1
        remote = pipe.request.remote
        certificate = remote.peer_certificate.public_bytes(Encoding.PEM)
        return self.gateway.forwarded(
            request, client=remote.peer_common_name, domain=cuid_from_certificate(certificate)
        )

    # Notifications

    async def _observe(self, pipe: Pipe, request: Request, *, at: float) -> None:
        """Run one observation upstream for this one, until the client or the provider ends it."""
        client = self._provider()
        if client is None or self._observations >= MAX_OBSERVATIONS:
            refusal = _unavailable(self.upstream.why if client is None else TOO_BUSY)
            await super().answer(pipe, request, refusal, at=at)
            return
        self._observations += 1
        self.begin_observation(pipe)
        try:
            with Forwarding(client, self._forwarded(pipe, request)) as forwarding:
                first = await self._next(client, forwarding, within_s=ANSWER_WITHIN_S)
                self.record(pipe, request, first, at=at)
                goes_on = self._pass_on(pipe, first, is_answer=True)
                while goes_on:
                    later = await self._next(client, forwarding, within_s=None)
                    goes_on = self._pass_on(pipe, later)
        finally:
            self._observations -= 1
            self.end_observation(pipe)

    def _pass_on(self, pipe: Pipe, response: Response | None, *, is_answer: bool = False) -> bool:
        """Whether more may follow."""
        if not self.is_observed(pipe):
            return False
        if response is None:
            message: aiocoap.Message = pipe.request
            self.stay_silent(message)
            return False
        goes_on = response.observe is not None and response.is_success
        # Our own sequence: the provider's restarts with each session upstream.
        sequence = self.gateway.observers.next_sequence() if goes_on else None
        self.notify(pipe, replace(response, observe=sequence), is_answer=is_answer)
        return goes_on


def _unavailable(why: str) -> Response:
    return text("5.03", why, max_age=RETRY_AFTER_S)
