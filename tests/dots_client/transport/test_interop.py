"""Against libcoap, which speaks DTLS with certificates and knows nothing of DOTS."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dots_client import (
    AttackStatus,
    Client,
    ClientSettings,
    Credentials,
    PeerUnreachable,
    Refused,
    Server,
    connect,
)
from dots_client.codec import decode_mitigations, encode_request
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, Provider, serving

BACKENDS = ("openssl", "gnutls")
pytestmark = pytest.mark.integration


def needed(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def written(credentials: Credentials, folder: Path) -> list[str]:
    (folder / "own.crt").write_bytes(credentials.certificate_chain)
    (folder / "own.key").write_bytes(credentials.private_key)
    (folder / "ca.crt").write_bytes(credentials.trust_anchors)
    return [
        *("-c", str(folder / "own.crt")),
        *("-j", str(folder / "own.key")),
        *("-C", str(folder / "ca.crt")),
    ]


def two_free_ports() -> int:
    """libcoap serves DTLS one port above the one it is told."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second,
        ):
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@asynccontextmanager
async def libcoap_server(
    backend: str, credentials: Credentials, folder: Path
) -> AsyncIterator[Server]:
    port = two_free_ports()
    process = await asyncio.create_subprocess_exec(
        needed(f"coap-server-{backend}"),
        *("-A", "127.0.0.1", "-p", str(port), "-d", "10", "-v", "1", "-N"),
        *written(credentials, folder),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Server("provider.example", "127.0.0.1", port + 1)
    finally:
        process.terminate()
        await process.wait()


async def session_with(
    server: Server, credentials: Credentials
) -> AbstractAsyncContextManager[Client]:
    """The server takes a moment to listen; until then the port is closed."""
    settings = ClientSettings(reads_configuration=False, handshake_timeout_s=5)
    async with asyncio.timeout(10):
        while True:
            try:
                async with connect(server, credentials, cuid=CUID, settings=settings):
                    return connect(server, credentials, cuid=CUID, settings=settings)
            except PeerUnreachable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_our_client_with_the_server_of_libcoap(
    backend: str, authority: Authority, tmp_path: Path
) -> None:
    async with (
        libcoap_server(backend, authority.server(), tmp_path) as server,
        await session_with(server, authority.client()) as client,
        asyncio.timeout(20),
    ):
        assert await client.heartbeat() is True
        assert (await client.request(1, SCOPE)).mid == 1
        assert (await client.status(1)).lifetime == SCOPE.lifetime
        async with client.observe(1) as reports:
            first = await anext(reports)
            await client.request(1, replace(SCOPE, lifetime=7200))
            second = await anext(reports)
        await client.efficacy(1, SCOPE, AttackStatus.UNDER_ATTACK)
        await client.withdraw(1)
        with pytest.raises(Refused, match=r"4\.04"):
            await client.configuration()

        assert (first.lifetime, second.lifetime) == (3600, 7200)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [[], ["-N"]])
async def test_the_client_of_libcoap_with_our_server(
    backend: str, kind: list[str], authority: Authority, tmp_path: Path
) -> None:
    program = needed(f"coap-client-{backend}")
    body = tmp_path / "body"
    body.write_bytes(encode_request(SCOPE))
    provider = Provider()
    async with serving(authority, provider) as server:
        path = f"coaps://127.0.0.1:{server.port}/.well-known/dots/mitigate/cuid={CUID}/mid=1"

        async def ask(*arguments: str) -> bytes:
            process = await asyncio.create_subprocess_exec(
                program,
                *written(authority.client(), tmp_path),
                *("-B", "5", *kind, *arguments, path),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            async with asyncio.timeout(20):
                out, _ = await process.communicate()
            return out.rstrip(b"\n")

        granted = await ask("-m", "put", "-t", "271", "-f", str(body))
        status = await ask("-m", "get")
        await ask("-m", "delete")

    assert decode_mitigations(granted)[0].lifetime == SCOPE.lifetime
    assert decode_mitigations(status)[0].mid == 1
    assert provider.held == {}
