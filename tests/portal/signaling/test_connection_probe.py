"""Each step of a test of a connection, against real sockets: where it ends, and why."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dots_client import ClientSettings, Credentials, Server, cuid_from_certificate
from dots_server import Contracts, Entitlement, Mitigator, SignalChannel, SignalServer
from portal.connections.steps import (
    ConnectionResult,
    ConnectionStep,
    StepFailure,
    StepName,
    StepState,
)
from portal.signaling.connection_probe import ConnectionProbe
from portal.signaling.connection_settings import ConnectionSettings
from tests.dots_client.authority import Authority, trusting
from tests.dots_client.transport.loopback import serving, serving_tls

FAST = ClientSettings(
    handshake_timeout_s=1.0,
    reads_configuration=False,
    resumes_sessions=False,
    heartbeat_wait_s=1.0,
)
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Northgate CA")


@pytest.fixture(scope="module")
def rogue() -> Authority:
    return Authority("Rogue CA")


@pytest.fixture
def own(authority: Authority) -> Credentials:
    return authority.client("acme")


class Idle(Mitigator):
    """Filters nothing."""

    def entered(self, mitigation: Any, *, now: float) -> None:
        raise AssertionError("a test of a connection asks for no mitigation")

    def next_status(self, mitigation: Any, *, now: float) -> None:
        return None


def unused_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


@asynccontextmanager
async def dots_server(
    credentials: Credentials, *clients: str, only_tls: bool = False
) -> AsyncIterator[int]:
    entitled = {name: Entitlement.of(["203.0.113.0/24"]) for name in clients}
    channel = SignalChannel(mitigator=Idle(), policy=Contracts(entitled))
    server = SignalServer(channel)
    port = unused_port()
    if only_tls:
        await server.listen_tls(host=HOST, port=port, credentials=credentials)
    else:
        await server.listen(host=HOST, port=port, credentials=credentials)
    running = asyncio.create_task(server.run())
    try:
        yield port
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.close()


async def probed(
    port: int, credentials: Credentials, *transports: str, name: str = HOST, host: str = HOST
) -> tuple[ConnectionResult, Sequence[ConnectionStep]]:
    seen: list[int] = []

    async def note(steps: Sequence[ConnectionStep]) -> None:
        seen.append(len(steps))

    probe = ConnectionProbe(
        ConnectionSettings(
            server=Server(name=name, host=host, port=port, transports=transports or ("tls",)),
            credentials=credentials,
            cuid=cuid_from_certificate(credentials.certificate_chain),
        ),
        on_steps=note,
        client_settings=FAST,
    )
    result = await probe.run()
    assert seen == sorted(seen)
    assert seen, "the page is told of each step"
    return result, probe.steps


def failed(steps: Sequence[ConnectionStep]) -> tuple[StepName, StepFailure | None]:
    assert all(one.state == StepState.PASSED for one in steps[:-1])
    last = steps[-1]
    assert last.state == StepState.FAILED
    return last.step, last.failure


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_every_step_passes_with_a_dots_server(
    authority: Authority, own: Credentials, transport: str
) -> None:
    async with dots_server(authority.server(), "acme") as port:
        result, steps = await probed(port, own, transport)

    assert result == ConnectionResult.PASSED
    assert [one.step for one in steps] == list(StepName)
    name, address, handshake, certificate, session = steps
    assert name.addresses == (HOST,)
    assert address.peer == f"{HOST}:{port}"
    assert handshake.version.replace(" ", "").startswith(("DTLSv1.2", "TLSv1."))
    assert handshake.cipher
    assert handshake.took_ms is not None
    assert "provider.example" in certificate.names
    assert "CN=provider.example" in certificate.chain[0].name
    assert session.heartbeat_s == 30


async def test_one_transport_that_works_is_enough(authority: Authority, own: Credentials) -> None:
    async with dots_server(authority.server(), "acme", only_tls=True) as port:
        result, steps = await probed(port, own, "dtls", "tls")

    assert result == ConnectionResult.PASSED
    assert [(one.transport, one.failure) for one in steps[:2]] == [
        ("", None), ("dtls", StepFailure.NOTHING_LISTENS),
    ]  # fmt: skip
    assert steps[-1].transport == "tls"
    assert steps[-1].state == StepState.PASSED


async def test_a_name_without_an_address_ends_the_test(own: Credentials) -> None:
    result, steps = await probed(4646, own, host="no-such-host.example")

    assert result == ConnectionResult.FAILED
    assert failed(steps) == (StepName.NAME, StepFailure.NO_ADDRESS)
    assert "no-such-host.example" in steps[-1].detail


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_port_where_nothing_listens(own: Credentials, transport: str) -> None:
    _, steps = await probed(unused_port(), own, transport)

    assert failed(steps) == (StepName.ADDRESS, StepFailure.NOTHING_LISTENS)


async def test_a_port_that_swallows_every_datagram(own: Credentials) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as black_hole:
        black_hole.bind((HOST, 0))
        _, steps = await probed(black_hole.getsockname()[1], own, "dtls")

    assert failed(steps) == (StepName.ADDRESS, StepFailure.SILENT)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_server_of_another_authority(
    rogue: Authority, own: Credentials, transport: str
) -> None:
    async with dots_server(rogue.server(), "acme") as port:
        _, steps = await probed(port, own, transport)

    assert failed(steps) == (StepName.CERTIFICATE, StepFailure.UNTRUSTED)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_an_expired_certificate_of_the_server(
    authority: Authority, own: Credentials, transport: str
) -> None:
    async with dots_server(authority.server(age_days=40), "acme") as port:
        _, steps = await probed(port, own, transport)

    assert failed(steps) == (StepName.CERTIFICATE, StepFailure.EXPIRED)


async def test_a_certificate_that_is_not_valid_yet(authority: Authority, own: Credentials) -> None:
    async with dots_server(authority.server(age_days=-2), "acme") as port:
        _, steps = await probed(port, own)

    assert failed(steps) == (StepName.CERTIFICATE, StepFailure.NOT_YET_VALID)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_certificate_for_another_name(
    authority: Authority, own: Credentials, transport: str
) -> None:
    async with dots_server(authority.server(names=("other.example",)), "acme") as port:
        _, steps = await probed(port, own, transport)

    assert failed(steps) == (StepName.CERTIFICATE, StepFailure.WRONG_NAME)
    assert "other.example" in steps[-1].detail


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_server_that_does_not_trust_our_certificate(
    authority: Authority, rogue: Authority, own: Credentials, transport: str
) -> None:
    async with dots_server(trusting(authority.server(), rogue), "acme") as port:
        _, steps = await probed(port, own, transport)

    assert failed(steps) == (StepName.HANDSHAKE, StepFailure.REFUSED_CERTIFICATE)


async def test_a_server_that_does_not_know_the_client(
    authority: Authority, own: Credentials
) -> None:
    async with dots_server(authority.server(), "globex") as port:
        _, steps = await probed(port, own, "dtls")

    assert failed(steps) == (StepName.SESSION, StepFailure.REFUSED_CERTIFICATE)


@pytest.mark.parametrize(("serve", "transport"), [(serving, "dtls"), (serving_tls, "tls")])
async def test_a_coap_server_without_dots(
    authority: Authority, own: Credentials, serve: Any, transport: str
) -> None:
    async with serve(authority.server()) as server:
        _, steps = await probed(server.port, own, transport)

    assert failed(steps) == (StepName.SESSION, StepFailure.NOT_DOTS)


async def test_a_web_server(authority: Authority, own: Credentials, tmp_path: Path) -> None:
    credentials = authority.server()
    chain = tmp_path / "server.pem"
    chain.write_bytes(credentials.certificate_chain + credentials.private_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    web = await asyncio.start_server(serve, HOST, 0, ssl=context)
    async with web:
        _, steps = await probed(web.sockets[0].getsockname()[1], own)

    assert failed(steps) == (StepName.HANDSHAKE, StepFailure.NOT_DOTS)


async def test_a_server_that_speaks_no_tls(own: Credentials) -> None:
    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        _, steps = await probed(server.sockets[0].getsockname()[1], own)

    assert failed(steps) == (StepName.HANDSHAKE, StepFailure.NOT_DOTS)
