"""What a caller says about a proxy before it counts only if the operator trusts that address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from portal.core.http import BoundedHttp

SAID = b"x-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the address and the scheme that the portal would see."""
    seen = f"{scope['client'][0]} {scope['scheme']}".encode()
    headers = [(b"content-length", str(len(seen)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": seen})


@asynccontextmanager
async def serving(trusted: str) -> AsyncIterator[int]:
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        port=0,
        lifespan="off",
        log_config=None,
        forwarded_allow_ips=trusted,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1]
    await server.shutdown()


async def seen(port: int, headers: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n")
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2].decode()


@pytest.mark.parametrize("trusted", ["192.0.2.1", "172.31.46.0/24"])
async def test_a_caller_cannot_invent_an_address_or_tls(trusted: str) -> None:
    async with serving(trusted) as port:
        assert await seen(port, SAID) == "127.0.0.1 http"


@pytest.mark.parametrize("trusted", ["127.0.0.1", "192.0.2.1,127.0.0.0/8"])
async def test_a_trusted_proxy_names_the_caller(trusted: str) -> None:
    async with serving(trusted) as port:
        assert await seen(port, SAID) == "203.0.113.9 https"


async def test_the_address_that_the_proxy_added_is_the_one_that_counts() -> None:
    invented = b"x-forwarded-for: 198.51.100.1, 203.0.113.9\r\n"

    async with serving("127.0.0.1") as port:
        assert (await seen(port, invented)).startswith("203.0.113.9 ")
