"""Invalid messages, which the session must survive."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
import pytest

from dots_client.transport.dtls import DtlsLink
from dots_client.transport.dtls_server import DtlsServer, ServerSession
from dots_client.transport.frames import framed
from dots_client.transport.message_parser import MAX_OPTIONS
from tests.dots_client.authority import Authority
from tests.dots_client.transport.loopback import (
    PATH,
    WhoAmI,
    ask,
    get,
    linked,
    linked_tls,
    open_tls_link,
    serving,
    serving_tls,
    until,
)
from tests.dots_client.transport.streams import CSM, raw_server

CRITICAL = b"\xe0\x06\xf8"
"""Option 2053, empty and unknown."""
WHO = b"\xb3who"
"""Uri-Path `who`."""

MALFORMED = [
    pytest.param(b"\0", id="too short"),
    pytest.param(b"\x90\x45\0\1", id="another version"),
    pytest.param(b"\x5f\x45\0\1" + bytes(15), id="a long token"),
    pytest.param(b"\x58\x45\0\1abc", id="half a token"),
    pytest.param(b"\x50\x45\0\1\xff", id="no payload"),
    pytest.param(b"\x50\x45\0\1\xf1", id="a reserved nibble"),
    pytest.param(b"\x50\x45\0\1\x64ab", id="half an option"),
    pytest.param(b"\x50\x03\0\1" + b"\0" * 1000, id="many options"),
    pytest.param(b"\x50\x03\0\1" + b"\0" * 16_200, id="a record full of options"),
    pytest.param(b"\x50\x45\0\1\xff" + bytes(1468), id="longer than a datagram"),
]


Dropped = Callable[[], list[str]]


@pytest.fixture
def dropped(caplog: pytest.LogCaptureFixture) -> Dropped:
    """The lines logged so far about messages that were dropped unread."""
    caplog.set_level(logging.INFO, logger="dots_client")
    return lambda: [line for line in caplog.messages if "a message was dropped" in line]


def say(session: ServerSession, *messages: bytes) -> None:
    """Send each unchanged in its own record."""
    engine = session._engine
    assert engine is not None
    for message in messages:
        engine.send(message)
        session._flush(engine)


@asynccontextmanager
async def session_of(
    authority: Authority, who: WhoAmI | None = None
) -> AsyncIterator[tuple[DtlsServer, ServerSession, DtlsLink]]:
    async with (
        serving(authority.server(), who) as server,
        linked(server, authority.client()) as link,
    ):
        (session,) = server.sessions
        yield server, session, link


@pytest.mark.parametrize("data", MALFORMED)
async def test_an_invalid_message_is_logged_and_dropped_and_the_session_lives(
    authority: Authority, data: bytes, dropped: Dropped
) -> None:
    async with session_of(authority) as (_server, session, link):
        say(session, data)
        await until(lambda: len(dropped()) == 1)

        assert (await ask(link.endpoint, get(link))).payload == b"acme"


async def test_a_server_drops_an_invalid_message_too(
    authority: Authority, dropped: Dropped
) -> None:
    async with session_of(authority) as (_server, _session, link):
        engine = link.engine
        for parameter in MALFORMED:
            (data,) = parameter.values
            assert isinstance(data, bytes)
            engine.send(data)
            link.remote._flush(engine)
        assert (await ask(link.endpoint, get(link))).payload == b"acme"
    assert f": {len(MALFORMED) - 1} more lines like" in dropped()[-1]


async def test_many_equal_lines_of_a_session_are_one_and_a_count(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="dots_client")
    unexpected = b"\x50\x45\0\1"
    misfit = b"\x50\xff\0\1"
    async with session_of(authority) as (_server, session, link):
        for _ in range(50):
            say(session, b"\0", unexpected, misfit)
        await ask(link.endpoint, get(link))
        said = [record for record in caplog.records if record.name.startswith("dots_client")]
        assert len(said) <= 6

    counts = [
        record.getMessage() for record in caplog.records if "more lines like" in record.getMessage()
    ]
    assert len(counts) >= 2
    assert all(": 49 more lines like" in line for line in counts)


@pytest.mark.parametrize("kind", [0x40, 0x50], ids=["CON", "NON"])
async def test_a_request_with_an_unknown_critical_option_is_not_acted_on(
    authority: Authority, kind: int
) -> None:
    who = WhoAmI()
    wire: list[Any] = []
    async with (
        serving(authority.server(), who) as server,
        linked(server, authority.client(), on_wire=wire.append) as link,
    ):
        engine = link.engine
        engine.send(bytes([kind | 1, 0x01, 0x12, 0x34]) + b"t" + WHO + b"\xe0\x06\xed")
        link.remote._flush(engine)
        await ask(link.endpoint, get(link))

        assert who.asked == 1
        refused = [one for one in wire if one.token == "74"]
        assert [(one.kind, one.code, one.message_id) for one in refused] == (
            [("ACK", "4.02", 0x1234)] if kind == 0x40 else []
        )
        assert [one.body for one in refused] in ([], ["not understood: option 2053"])


@pytest.mark.parametrize("kind", [0x40, 0x50, 0x60], ids=["CON", "NON", "ACK"])
async def test_a_response_with_an_unknown_critical_option_is_ignored(
    authority: Authority, kind: int
) -> None:
    who = WhoAmI()
    who.is_silent = True
    heard: list[Any] = []
    wire: list[Any] = []
    async with (
        serving(authority.server(), who, on_wire=heard.append) as server,
        linked(server, authority.client(), on_wire=wire.append) as link,
    ):
        answer: asyncio.Future[aiocoap.Message] = asyncio.get_running_loop().create_future()
        message = get(link)
        stop = link.endpoint.request(message, lambda said, _error: answer.set_result(said))
        (session,) = server.sessions
        await until(lambda: who.asked == 1)
        header = bytes([kind | len(message.token), 0x45]) + message.mid.to_bytes(2, "big")
        say(session, header + message.token + CRITICAL + b"\xffno")
        await until(lambda: any(one.direction == "received" for one in wire))
        said = header + message.token + b"\xffyes"
        assert not answer.done()
        if kind == 0x40:
            await until(lambda: any(one.kind == "RST" for one in heard))
        say(session, said)

        assert (await answer).payload == b"yes"
        stop()
    odd = next(one for one in wire if one.direction == "received")
    assert odd.not_read == ("option 2053: is not known, and it is critical",)


async def test_our_message_with_the_id_of_a_request_is_not_an_answer_to_its_duplicate(
    authority: Authority,
) -> None:
    """Both sides number their messages independently, so numbers can coincide."""
    who = WhoAmI()
    who.is_silent = True
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: complaints.append(what))
    async with session_of(authority, who) as (server, session, link):
        request = bytes.fromhex("40012000") + WHO
        server.endpoint.messages.message_id = 0x2000
        engine = link.engine
        engine.send(request)
        link.remote._flush(engine)
        await until(lambda: who.asked == 1)
        ours = aiocoap.Message(
            code=aiocoap.GET, transport_tuning=aiocoap.Reliable(), uri_path=PATH, _token=b"o"
        )
        ours.remote = session
        server.endpoint.messages.send_message(ours, lambda: None)
        assert ours.mid == 0x2000

        engine.send(request)
        link.remote._flush(engine)
        who.is_silent = False
        assert (await ask(link.endpoint, get(link))).payload == b"acme"
    assert complaints == []


# Over TCP


async def test_over_tcp_a_request_with_an_unknown_critical_option_is_refused(
    authority: Authority,
) -> None:
    wire: list[Any] = []
    async with (
        serving_tls(authority.server()) as server,
        linked_tls(server, authority.client(), on_wire=wire.append) as link,
    ):
        engine = link.remote._engine
        assert engine is not None
        engine.send(b"\x71\x01t" + WHO + b"\xe0\x06\xed")
        link.remote._flush(engine)
        await until(lambda: bool(wire))

        assert [(one.token, one.code) for one in wire] == [("74", "4.02")]
        assert (await ask(link.endpoint, get(link))).payload == b"acme"


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (b"\x09\x45" + bytes(9), "a token of 9 bytes is too long"),
        (b"\x10\x45\xf0", "an option has a part of a payload marker"),
        (b"\xd0\x34\x45" + b"\0" * (MAX_OPTIONS + 1), "there are more than 64 options"),
        (b"\x10\x45\xff", "there is no payload after its marker"),
        (b"\xe0\x1f\xff\x45", "are allowed"),
    ],
)
async def test_over_tcp_an_invalid_message_aborts_the_connection(
    authority: Authority, frame: bytes, words: str
) -> None:
    async with raw_server(authority, CSM + frame) as port:
        link = await open_tls_link(port, authority.client())

        async with asyncio.timeout(5):
            assert words in await link.closed
        await link.close()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"busy\0\n\x1b[31m", "the server ended the session: busy [31m"),
        (b"x" * 8_000, "the server ended the session: " + "x" * 299 + "…"),
        (b"\xff\xfe", "the server ended the session: \ufffd\ufffd"),
        (b"", "the server ended the session"),
    ],
)
@pytest.mark.parametrize("code", [aiocoap.ABORT, aiocoap.Code.RELEASE], ids=["Abort", "Release"])
async def test_the_last_text_of_a_peer_is_printable_and_bounded(
    authority: Authority, code: aiocoap.Code, said: bytes, reason: str
) -> None:
    end = framed(aiocoap.Message(code=code, payload=said))
    async with raw_server(authority, CSM + end) as port:
        link = await open_tls_link(port, authority.client())

        async with asyncio.timeout(5):
            assert await link.closed == reason
        await link.close()
