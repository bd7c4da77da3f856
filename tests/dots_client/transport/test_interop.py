"""Against libcoap, which supports DTLS and TLS with certificates but not DOTS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dots_client import (
    AttackStatus,
    Client,
    ClientCache,
    ClientSettings,
    Credentials,
    HandshakeFailed,
    MitigationReport,
    PeerUnreachable,
    Refused,
    Server,
    connect,
)
from dots_client.codec import decode_mitigations, encode_request
from dots_client.transport.tls_server import serve_tls
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, Provider, serving
from tests.dots_client.transport.libcoap import asked, needed, two_free_ports, written

BACKENDS = ("openssl", "gnutls")
HANDSHAKE_TIMEOUT_S = LISTENS_WITHIN_S = 60
"""A busy machine is not a bug of either side."""
pytestmark = pytest.mark.integration


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
    async with asyncio.timeout(LISTENS_WITHIN_S):
        while True:
            try:
                async with connect(server, credentials, cuid=CUID, settings=settings):
                    return connect(server, credentials, cuid=CUID, settings=settings)
            except PeerUnreachable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("backend", BACKENDS)
async def test_our_client_with_the_server_of_libcoap(
    backend: str, transport: str, authority: Authority, tmp_path: Path
) -> None:
    async with (
        libcoap_server(backend, authority.server(), tmp_path) as listening,
        await session_with(_to(listening, backend, transport), authority.client()) as client,
        asyncio.timeout(20),
    ):
        assert client.transport == transport
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


def _to(server: Server, backend: str, transport: str) -> Server:
    # libcoap's GnuTLS server selects nothing by ALPN.
    return replace(server, transports=(transport,), requires_alpn=backend == "openssl")


@pytest.mark.rule("SC-120")
@pytest.mark.parametrize("transport", ["dtls", "tls"])
@pytest.mark.parametrize("backend", BACKENDS)
async def test_resumption_is_offered_to_the_server_of_libcoap(
    backend: str,
    transport: str,
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """GnuTLS continues with a full handshake; OpenSSL, as libcoap configures it, sends an alert."""
    settings = ClientSettings(reads_configuration=False, handshake_timeout_s=HANDSHAKE_TIMEOUT_S)
    cache, credentials = ClientCache(), authority.client()
    caplog.set_level("INFO", logger="dots_client.transport")
    async with libcoap_server(backend, authority.server(), tmp_path) as listening:
        server = _to(listening, backend, transport)
        async with await session_with(server, credentials):
            pass  # it listens
        for _ in range(3):
            async with (
                asyncio.timeout(HANDSHAKE_TIMEOUT_S / 2),
                connect(server, credentials, cuid=CUID, settings=settings, cache=cache) as client,
            ):
                assert await client.heartbeat() is True

    if backend == "openssl":
        assert "does not resume" in caplog.text


@pytest.mark.rule("SC-114")
async def test_a_server_without_alpn_is_refused_unless_it_is_known(
    authority: Authority, tmp_path: Path
) -> None:
    async with libcoap_server("gnutls", authority.server(), tmp_path) as listening:
        server = replace(listening, transports=("tls",))
        with pytest.raises(HandshakeFailed, match="did not choose CoAP"):
            await session_with(server, authority.client())


@pytest.mark.parametrize("backend", BACKENDS)
async def test_the_client_of_libcoap_with_our_server_over_tcp(
    backend: str, authority: Authority, tmp_path: Path
) -> None:
    provider = Provider()
    provider.held[1] = MitigationReport(mid=1, lifetime=600)
    server = await serve_tls(provider, host="127.0.0.1", port=0, credentials=authority.server())
    path = f"coaps+tcp://127.0.0.1:{server.port}/.well-known/dots/mitigate/cuid={CUID}/mid=1"

    status = await asked(
        f"coap-client-{backend}", authority.client(), tmp_path, "-B", "5", "-m", "get", path
    )

    await server.close()
    assert decode_mitigations(status.rstrip(b"\n"))[0].lifetime == 600


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [[], ["-N"]])
async def test_the_client_of_libcoap_with_our_server(
    backend: str, kind: list[str], authority: Authority, tmp_path: Path
) -> None:
    body = tmp_path / "body"
    body.write_bytes(encode_request(SCOPE))
    provider = Provider()
    async with serving(authority, provider) as server:
        path = f"coaps://127.0.0.1:{server.port}/.well-known/dots/mitigate/cuid={CUID}/mid=1"
        acme = authority.client()

        async def ask(*arguments: str) -> bytes:
            printed = await asked(
                f"coap-client-{backend}", acme, tmp_path, "-B", "5", *kind, *arguments, path
            )
            return printed.rstrip(b"\n")

        granted = await ask("-m", "put", "-t", "271", "-f", str(body))
        status = await ask("-m", "get")
        await ask("-m", "delete")

    assert decode_mitigations(granted)[0].lifetime == SCOPE.lifetime
    assert decode_mitigations(status)[0].mid == 1
    assert provider.held == {}
