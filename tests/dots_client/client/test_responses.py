"""Answers of deployed servers, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiocoap import Message

from dots_client import (
    Client,
    MitigationReport,
    MitigationStatus,
    Refused,
    RemoteProtocolError,
    ServerUnavailable,
    SignalConfig,
)
from dots_client.text import MAX_TEXT
from dots_client.transport.coap import CoapEndpoint
from dots_client.transport.dtls_server import ServerSession
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import SCOPE, Scene, in_session, silence
from tests.dots_client.transport.loopback import until

NON, ACK = 0x50, 0x60
GRANTED = bytes.fromhex("a101a10281a205010e190e10")
STATUS_2 = bytes.fromhex("a101a10281a3050110020e190e10")
URI_PATH = bytes.fromhex("bb2e77656c6c2d6b6e6f776e 04646f7473 086d69746967617465 06637569643d78")
"""`.well-known`, `dots`, `mitigate` and a part of `cuid=x`, as options of a response."""

Ask = Callable[[Client], Awaitable[object]]


def reply(request: Message, kind: int, code: int, rest: bytes) -> None:
    """Send exactly these bytes, under the Message ID and token of the request."""
    session: ServerSession = request.remote
    header = bytes([kind | len(request.token), code]) + request.mid.to_bytes(2, "big")
    engine = session._engine
    assert engine is not None
    engine.send(header + request.token + rest)
    session._flush(engine)


async def asked_and_told(scene: Scene, ask: Ask, kind: int, code: int, rest: bytes) -> object:
    scene.provider.script.append(silence)
    scene.provider.config_script.append(silence)
    asking = asyncio.ensure_future(ask(scene.client))
    await until(lambda: bool(scene.provider.requests))
    reply(scene.provider.requests[0], kind, code, rest)
    async with asyncio.timeout(5):
        return await asking


async def put(client: Client) -> MitigationReport:
    return await client.request(1, SCOPE)


async def get(client: Client) -> MitigationReport:
    return await client.status(1)


async def config(client: Client) -> SignalConfig:
    return await client.configuration()


async def delete(client: Client) -> None:
    await client.withdraw(1)


@pytest.mark.parametrize(
    ("ask", "kind", "code", "rest", "expected"),
    [
        pytest.param(put, NON, 0x41, b"\xff" + GRANTED, 3600, id="no Content-Format"),
        pytest.param(put, NON, 0x44, b"\xc2\0\0\xff" + GRANTED, 3600, id="Content-Format 00 00"),
        pytest.param(put, ACK, 0x41, b"\xff" + GRANTED, 3600, id="an ACK to a NON"),
        pytest.param(put, NON, 0x44, URI_PATH + b"\xff" + GRANTED, 3600, id="Uri-Path repeated"),
        pytest.param(put, NON, 0x44, b"\xd3\x02c=a\xff" + GRANTED, 3600, id="Uri-Query repeated"),
        pytest.param(put, NON, 0x41, b"\xc0\xff\xf6", None, id="a null for a body"),
        pytest.param(put, NON, 0x44, b"", None, id="no body"),
        pytest.param(get, NON, 0x45, b"\xc2\x01\x0f\xff" + STATUS_2, 3600, id="GET"),
    ],
)
async def test_answers_of_deployed_servers_are_understood(
    authority: Authority, ask: Ask, kind: int, code: int, rest: bytes, expected: int | None
) -> None:
    async with in_session(authority) as scene:
        report = await asked_and_told(scene, ask, kind, code, rest)

        assert isinstance(report, MitigationReport)
        assert (report.mid, report.lifetime) == (1, expected)


async def test_a_configuration_may_come_without_an_ack(authority: Authority) -> None:
    async with in_session(authority) as scene:
        answer = await asked_and_told(scene, config, NON, 0x45, b"\xc2\x01\x0f\xff\xf6")

        assert answer == SignalConfig()
        endpoint = scene.client._link.endpoint
        assert isinstance(endpoint, CoapEndpoint)
        assert endpoint.messages._active_exchanges == {}


async def test_a_deletion_may_have_a_text_payload(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await asked_and_told(scene, delete, NON, 0x42, b"\xffDeleted")


@pytest.mark.parametrize(
    ("code", "payload", "error", "words"),
    [
        (0x80, b"\xc0\xfffor\na\tperson\0", Refused, "4.00 for a person"),
        (0x80, b"\xff" + b"x" * 900, Refused, "4.00 " + "x" * (MAX_TEXT - 1) + "…"),
        (0x89, b"\xff" + GRANTED, Refused, "4.09"),
        (0x89, b"\xffoverlap", Refused, "4.09 overlap"),
        (0xA0, b"\xffbroken", ServerUnavailable, "5.00 broken"),
        (0xA3, b"\xc0\xff" + GRANTED, ServerUnavailable, "5.03"),
        (0x60, b"", RemoteProtocolError, "the server answered with code 3.00"),
    ],
)
async def test_errors_of_deployed_servers_are_understood(
    authority: Authority, code: int, payload: bytes, error: type[Exception], words: str
) -> None:
    async with in_session(authority) as scene:
        with pytest.raises(error) as raised:
            await asked_and_told(scene, put, NON, code, payload)

        assert str(raised.value) == words


@pytest.mark.parametrize("body", [b"\xff\xff", b"\xff" + bytes.fromhex("a101a10280")])
async def test_an_empty_status_is_an_error_of_the_server(authority: Authority, body: bytes) -> None:
    async with in_session(authority) as scene:
        with pytest.raises(RemoteProtocolError):
            await asked_and_told(scene, get, NON, 0x45, body)


async def test_an_entry_of_another_mitigation_is_ignored(authority: Authority) -> None:
    other = bytes.fromhex("a101a10282a205021001a205011002")
    async with in_session(authority) as scene:
        report = await asked_and_told(scene, get, NON, 0x45, b"\xff" + other)

        assert report == MitigationReport(mid=1, status=MitigationStatus.MITIGATING)


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param("a105f6 a205011002", id="a mid of null before ours"),
        pytest.param("a2056178 1001 a205011002", id="a mid of text before ours"),
        pytest.param("a11001 a205011002", id="no mid before ours"),
        pytest.param("a205011002 a11001", id="no mid after ours"),
    ],
)
async def test_an_entry_without_a_mid_is_not_ours_if_there_are_others(
    authority: Authority, entries: str
) -> None:
    async with in_session(authority) as scene:
        body = b"\xff" + bytes.fromhex("a101a10282" + entries)
        report = await asked_and_told(scene, get, NON, 0x45, body)

        assert isinstance(report, MitigationReport)
        assert (report.mid, report.status) == (1, MitigationStatus.MITIGATING)


async def test_a_single_entry_may_omit_its_mid(authority: Authority) -> None:
    async with in_session(authority) as scene:
        report = await asked_and_told(
            scene, get, NON, 0x45, b"\xff\xa1\x01\xa1\x02\x81\xa1\x10\x02"
        )

        assert report == MitigationReport(status=MitigationStatus.MITIGATING)


async def test_noise_inside_a_session_is_ignored(authority: Authority) -> None:
    async with in_session(authority) as scene:
        await scene.client.heartbeat()
        engine = scene.session._engine
        assert engine is not None

        for noise in (b"\0", b"\x40", b"\xff" * 40, b"\x51\x45\0\1\0\xb3\xff\xfe\xfd", bytes(600)):
            engine.send(noise)
            scene.session._flush(engine)

        assert (await scene.client.request(1, SCOPE)).mid == 1
