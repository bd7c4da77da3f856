"""The provider and libcoap's clients, which do not know DOTS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dots_client import MitigationReport, MitigationStatus, cuid_from_certificate
from dots_client.server import decode_config, decode_mitigations, encode_request
from provider_simulator.pki import client_credentials
from tests.dots_client.transport.libcoap import asked
from tests.provider_simulator.conftest import Running
from tests.provider_simulator.offline import scope

pytestmark = pytest.mark.integration

BODY_STARTS = b"\xa1\x01\xa1\x02"
Ask = Callable[..., Awaitable[bytes]]


@pytest.fixture(params=["openssl", "gnutls"])
def ask(request: pytest.FixtureRequest, running: Running, tmp_path: Path) -> Ask:
    """`ask("mitigate/…", *arguments)` as acme."""
    acme = client_credentials(running.pki, "acme")
    root = f"coaps://127.0.0.1:{running.signal.port}/.well-known/dots"
    cuid = cuid_from_certificate(acme.certificate_chain)

    async def run(path: str, *arguments: str) -> bytes:
        where = f"{root}/{path.format(cuid=cuid)}"
        program = f"coap-client-{request.param}"
        return await asked(program, acme, tmp_path, "-B", "5", "-v", "1", *arguments, where)

    return run


def reports(printed: bytes) -> list[MitigationReport]:
    """The client prints each body, with a line break after it."""
    _, *bodies = printed.split(BODY_STARTS)
    return [decode_mitigations(BODY_STARTS + body.removesuffix(b"\n"))[0] for body in bodies]


async def test_a_mitigation_from_put_to_delete(ask: Ask, tmp_path: Path) -> None:
    body = tmp_path / "request"
    body.write_bytes(encode_request(scope(lifetime=600)))

    [granted] = reports(
        await ask("mitigate/cuid={cuid}/mid=1", "-N", "-m", "put", "-t", "271", "-f", str(body))
    )
    [held] = reports(await ask("mitigate/cuid={cuid}", "-N", "-m", "get"))
    assert await ask("mitigate/cuid={cuid}/mid=1", "-N", "-m", "delete") in (b"", b"\n")
    [ending] = reports(await ask("mitigate/cuid={cuid}/mid=1", "-N", "-m", "get"))

    assert (granted.mid, granted.lifetime) == (1, 600)
    assert held.targets == scope().targets
    assert ending.status in (MitigationStatus.TERMINATING, MitigationStatus.TERMINATED)


async def test_an_observer_is_notified_of_changes(
    ask: Ask, running: Running, tmp_path: Path
) -> None:
    body = tmp_path / "request"
    body.write_bytes(encode_request(scope()))
    await running.behave(status_delay_s=3600)
    await ask("mitigate/cuid={cuid}/mid=1", "-N", "-m", "put", "-t", "271", "-f", str(body))

    observing = asyncio.ensure_future(
        ask("mitigate/cuid={cuid}/mid=1", "-N", "-m", "get", "-s", "4")
    )
    async with asyncio.timeout(10):
        while not len(running.signal.provider.observers):  # noqa: ASYNC110 - set by the provider's own code
            await asyncio.sleep(0.01)
    await running.behave(status_delay_s=0)
    heard = [report.status for report in reports(await observing)]

    assert heard[0] is MitigationStatus.IN_PROGRESS
    assert MitigationStatus.MITIGATING in heard


async def test_the_session_configuration_is_read_confirmably(ask: Ask) -> None:
    printed = await ask("config", "-m", "get")

    idle = decode_config(printed.removesuffix(b"\n")).idle
    assert idle is not None
    assert idle.heartbeat_interval is not None
    assert idle.heartbeat_interval.current == 30
