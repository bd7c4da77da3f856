"""A small site, and client and server on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import aiocoap
from aiocoap import resource

from dots_client.identity import Credentials
from dots_client.transport.attempt import Attempt
from dots_client.transport.coap import Endpoint
from dots_client.transport.dtls import DtlsLink, open_dtls
from dots_client.transport.dtls_server import DtlsServer, serve_dtls
from dots_client.transport.tls import TlsLink, open_tls
from dots_client.transport.tls_server import TlsServer, serve_tls

PATH = ["who"]


class WhoAmI(resource.ObservableResource):  # type: ignore[misc]  # aiocoap has no types
    """Answers with the name of the client, or never with `silent`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_silent = False
        self.asked = 0

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        self.asked += 1
        if self.is_silent:
            await asyncio.Event().wait()
        return aiocoap.Message(payload=request.remote.peer_common_name.encode())

    @property
    def observer_count(self) -> int:
        return len(self._observations)


def site_of(who: WhoAmI) -> resource.Site:
    site = resource.Site()
    site.add_resource(PATH, who)
    return site


class Closable(Protocol):
    async def close(self) -> None: ...


ClosableT = TypeVar("ClosableT", bound=Closable)


@asynccontextmanager
async def _closed_at_the_end(opening: Awaitable[ClosableT]) -> AsyncIterator[ClosableT]:
    opened = await opening
    try:
        yield opened
    finally:
        await opened.close()


def serving(
    credentials: Credentials, who: WhoAmI | None = None, **settings: Any
) -> AbstractAsyncContextManager[DtlsServer]:
    return _closed_at_the_end(
        serve_dtls(
            site_of(who or WhoAmI()), host="127.0.0.1", port=0, credentials=credentials, **settings
        )
    )


def serving_tls(
    credentials: Credentials, who: WhoAmI | None = None, **settings: Any
) -> AbstractAsyncContextManager[TlsServer]:
    return _closed_at_the_end(
        serve_tls(
            site_of(who or WhoAmI()), host="127.0.0.1", port=0, credentials=credentials, **settings
        )
    )


def linked(
    server: DtlsServer, credentials: Credentials, **settings: Any
) -> AbstractAsyncContextManager[DtlsLink]:
    return _closed_at_the_end(open_link(server.port, credentials, **settings))


def linked_tls(
    server: TlsServer, credentials: Credentials, **settings: Any
) -> AbstractAsyncContextManager[TlsLink]:
    return _closed_at_the_end(open_tls_link(server.port, credentials, **settings))


async def open_link(port: int, credentials: Credentials, **settings: Any) -> DtlsLink:
    return await open_dtls(_attempt(port, credentials, **settings))


async def open_tls_link(port: int, credentials: Credentials, **settings: Any) -> TlsLink:
    return await open_tls(_attempt(port, credentials, **settings))


def _attempt(port: int, credentials: Credentials, **settings: Any) -> Attempt:
    usual: dict[str, Any] = {"name": "provider.example", "host": "127.0.0.1", "timeout_s": 5.0}
    return Attempt(port=port, credentials=credentials, **usual | settings)


def get(link: DtlsLink | TlsLink, **options: Any) -> aiocoap.Message:
    tuning = options.pop("tuning", aiocoap.Unreliable())
    message = aiocoap.Message(code=aiocoap.GET, transport_tuning=tuning, uri_path=PATH, **options)
    message.remote = link.remote
    return message


async def ask(
    endpoint: Endpoint, message: aiocoap.Message, *, within_s: float = 5.0
) -> aiocoap.Message:
    """One request and its answer."""
    answer: asyncio.Future[aiocoap.Message] = asyncio.get_running_loop().create_future()
    stop = endpoint.request(message, resolve(answer))
    try:
        async with asyncio.timeout(within_s):
            return await answer
    finally:
        stop()


def resolve(
    answer: asyncio.Future[aiocoap.Message],
) -> Callable[[aiocoap.Message | None, Exception | None], None]:
    def on_event(message: aiocoap.Message | None, exception: Exception | None) -> None:
        if answer.done():
            return
        if exception is not None:
            answer.set_exception(exception)
        else:
            answer.set_result(message)

    return on_event


async def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for a condition without an event: check it in every turn of the loop."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # the condition is set by code without an event
            await asyncio.sleep(0.001)
