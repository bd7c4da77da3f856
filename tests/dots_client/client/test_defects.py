"""Any exception at any await of a session: every caller gets an outcome, and the session ends."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from aiocoap import Code

from dots_client import (
    Client,
    ConnectCrashed,
    DotsError,
    MitigationStatus,
    RedirectedSignal,
    RemoteProtocolError,
    SessionClosed,
    SessionCrashed,
    TransportError,
    WireRecord,
    connect,
)
from dots_client.client.configuration_reader import ConfigurationReader
from dots_client.transport.attempt import Attempt
from tests.awaits import Awaits, Defect, Place
from tests.dots_client.authority import Authority
from tests.dots_client.client.listening import Listening, listening
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS, in_session, silence
from tests.dots_client.client.test_redirection import pair, to
from tests.dots_client.transport.loopback import until

pytestmark = pytest.mark.exhaustive

BUSY = replace(SETTINGS, heartbeat_interval_s=0.05, reads_configuration=True)
WITHIN_S = 5.0
"""Anything slower counts as waiting forever."""
MIN_PLACES = 15


async def everything(there: Listening, client: Client, asked: list[asyncio.Task[Any]]) -> None:
    """Make every kind of call; the last one fails."""
    seen: list[int | None] = []

    async def observe() -> None:
        async with client.observe(1) as reports:
            async for report in reports:
                seen.append(report.status)

    await client.request(1, SCOPE)
    observing = asyncio.create_task(observe())
    asked.append(observing)
    await until(lambda: observing.done() or there.provider.observer_count == 1)
    there.provider.notify(MitigationStatus.MITIGATING)
    await until(lambda: observing.done() or MitigationStatus.MITIGATING in seen)
    await client.configuration()
    await client.heartbeat()
    await client.statuses()
    await client.withdraw(1)
    there.provider.script.extend([silence] * 1000)
    there.provider.config_script.extend([silence] * 1000)
    there.provider.answers_heartbeats = False
    in_vain = [client.request(2, SCOPE), client.configuration(), client.status(2)]
    asked.extend(asyncio.create_task(one) for one in in_vain)
    await until(lambda: len(there.provider.asked(Code.PUT)) >= 2 or client.is_lost)


async def a_session(authority: Authority, transport: str, awaits: Awaits) -> None:
    """Every call in one session with a running server. Raises AssertionError for any fault."""
    before = asyncio.all_tasks()
    lost: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, of: lost.append(of["message"]))
    asked: list[asyncio.Task[Any]] = []
    async with listening(authority) as there:
        server = replace(there.server, transports=(transport,))

        async def live() -> None:
            async with connect(server, authority.client(), cuid=CUID, settings=BUSY) as client:
                await everything(there, client, asked)

        async with asyncio.timeout(WITHIN_S), awaits.watching():
            life = asyncio.create_task(live())
            await asyncio.wait({life})
            outcomes = await asyncio.gather(life, *asked, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, DotsError | Defect), repr(outcome)
        await until(lambda: there.udp.sessions == there.tcp.sessions == ())
        await until(lambda: not _of_the_client(before))
    gc.collect()
    assert [one for one in lost if "never retrieved" in one] == []


def _of_the_client(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() - before if "_Watched" in repr(task.get_coro())}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_defect_at_any_await_ends_every_pending_call(
    authority: Authority, transport: str
) -> None:
    clean = Awaits()
    await a_session(authority, transport, clean)
    assert len(clean.seen) >= MIN_PLACES

    failed: dict[Place, BaseException] = {}
    reached = 0
    for place in clean.seen:
        awaits = Awaits(raises_at=place)
        try:
            await a_session(authority, transport, awaits)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  the assert shows it
            failed[place] = error
        reached += awaits.raised.is_set()

    assert failed == {}
    assert reached >= MIN_PLACES


async def test_a_failing_background_task_ends_the_session_and_every_pending_call(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_reader: ConfigurationReader) -> None:
        raise OverflowError("int too large to convert to float")

    async with in_session(authority, replace(SETTINGS, reads_configuration=False)) as scene:
        scene.provider.script.extend([silence] * 100)
        asking = asyncio.create_task(scene.client.request(1, SCOPE))
        await until(lambda: bool(scene.provider.requests))
        monkeypatch.setattr(ConfigurationReader, "run", fail)
        await scene.client._part(scene.client._configuration.run())

        async with asyncio.timeout(WITHIN_S):
            reason = await scene.client.closed()
            with pytest.raises(SessionClosed, match=r"this client failed \(OverflowError\)"):
                await asking
        assert isinstance(reason, SessionCrashed)
        assert isinstance(reason.__cause__, OverflowError)


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_an_answer_that_crashes_the_client_still_ends_the_call(
    authority: Authority, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OverflowError

    async with listening(authority) as there:
        server = replace(there.server, transports=(transport,))
        async with connect(server, authority.client(), cuid=CUID, settings=SETTINGS) as client:
            # Patch it before the session binds it: each response passes through it.
            monkeypatch.setattr(client.requests, "_on_response", fail)
            async with asyncio.timeout(WITHIN_S):
                with pytest.raises(RemoteProtocolError, match="could not be processed"):
                    await client.request(1, SCOPE)
            monkeypatch.undo()

            assert (await client.request(2, SCOPE)).mid == 2


@pytest.mark.parametrize("transport", ["dtls", "tls"])
async def test_a_failing_wire_tap_is_logged_once_and_changes_nothing(
    authority: Authority, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[WireRecord] = []

    def tap(record: WireRecord) -> None:
        seen.append(record)
        raise ValueError("Exceeds the limit (4300 digits)")

    async with listening(authority) as there:
        server = replace(there.server, transports=(transport,))
        async with connect(
            server, authority.client(), cuid=CUID, settings=SETTINGS, on_wire=tap
        ) as client:
            assert (await client.request(1, SCOPE)).mid == 1
            assert (await client.status(1)).mid == 1
            assert not client.is_lost

    assert {record.direction for record in seen} == {"sent", "received"}
    assert len([one for one in caplog.records if "wire tap" in one.message]) == 1


async def test_a_defect_in_a_stream_does_not_expose_exception_text(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("use sys.set_int_max_str_digits()")

    async with listening(authority) as there:
        server = replace(there.server, transports=("tls",))
        async with connect(server, authority.client(), cuid=CUID, settings=SETTINGS) as client:
            monkeypatch.setattr(client.requests.link.remote, "_receive_cleartext", fail)
            async with asyncio.timeout(WITHIN_S):
                with pytest.raises(SessionClosed, match=r"this client failed \(ValueError\)"):
                    await client.request(1, SCOPE)


@pytest.mark.parametrize(
    "alternate",
    [
        RedirectedSignal(alt_server="a\0b", alt_server_record=("127.0.0.1",)),
        RedirectedSignal(alt_server="a\0b"),
        RedirectedSignal(alt_server="", alt_server_record=("127.0.0.1",)),
        RedirectedSignal(alt_server=""),
        RedirectedSignal(alt_server=".."),
        RedirectedSignal(alt_server="x" * 300, alt_server_record=("127.0.0.1",)),
        RedirectedSignal(alt_server=f"{'x' * 64}.example"),
        RedirectedSignal(alt_server="\ud800.example", alt_server_record=("127.0.0.1",)),
        RedirectedSignal(alt_server="alt.example", alt_server_record=("no address",)),
        RedirectedSignal(alt_server="alt.example", alt_server_record=("127.0.0.1\0",)),
        RedirectedSignal(alt_server="alt.example", alt_server_record=("fe80::1%nowhere",)),
    ],
    ids=repr,
)
async def test_an_alternate_that_fails_is_abandoned_for_any_reason(
    authority: Authority, alternate: RedirectedSignal
) -> None:
    async with pair(authority) as there:
        now = asyncio.get_running_loop().time()
        there.cache.redirections.redirected(alternate, ttl_s=2**32 - 1, now=now)
        provisioned = f"127.0.0.1:{there.server.port}"
        # Refused before an attempt, or abandoned after one.
        with suppress(TransportError):
            async with there.session() as client:
                assert client.peer == provisioned

        async with there.session() as client:
            assert client.peer == provisioned


async def test_an_alternate_whose_sessions_break_is_abandoned(authority: Authority) -> None:
    async with pair(authority) as there:
        await there.redirected(to())
        async with there.session() as client:
            assert client.peer.startswith("127.0.0.2:")
            await until(lambda: bool(there.servers[1].sessions))
            there.servers[1].sessions[0].close("go away")
            await client.closed()

        async with there.session() as client:
            assert client.peer.startswith("127.0.0.1:")


async def test_an_alternate_whose_session_we_closed_is_not_abandoned(authority: Authority) -> None:
    async with pair(authority) as there:
        await there.redirected(to())
        for _ in range(2):
            async with there.session() as client:
                assert client.peer.startswith("127.0.0.2:")


async def test_a_candidate_that_crashes_does_not_stop_the_others(authority: Authority) -> None:
    async def fail(_: Attempt) -> NoReturn:
        raise RuntimeError

    settings = replace(SETTINGS, open_dtls=fail)
    async with (
        listening(authority) as there,
        connect(there.server, authority.client(), cuid=CUID, settings=settings) as client,
    ):
        assert client.transport == "tls"


async def test_if_every_candidate_crashes_the_server_is_not_blamed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Attempt) -> NoReturn:
        raise RuntimeError("our code")

    monkeypatch.setattr("dots_client.client.connector.open_tls", fail)
    async with listening(authority) as there:
        with pytest.raises(ConnectCrashed, match=r"^this client failed \(RuntimeError\)$"):
            async with connect(
                there.server,
                authority.client(),
                cuid=CUID,
                settings=replace(SETTINGS, handshake_timeout_s=0.3, open_dtls=fail),
            ):
                pytest.fail("there must be no session")
