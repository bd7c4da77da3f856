"""The session manager with two DOTS servers and stand-ins for the rows."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dots_client import (
    Client,
    ClientSettings,
    Reconnect,
    ReconnectSettings,
    Redirected,
    RedirectedSignal,
    Server,
    SessionClosed,
)
from portal.mitigations.models import Mitigation
from portal.mitigations.states import Status
from portal.providers.models import SessionState
from portal.signaling import connection_settings
from portal.signaling.actions import put_request
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action
from portal.signaling.actions.unknown_mitigations import UnknownMitigationWatch
from portal.signaling.book import Book
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal.wire_recorder import SharedCapacity, WireRecorder
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.reports.ledger import Ledger
from portal.signaling.retry_after import NOT_FOLLOWED_RETRY_S
from portal.signaling.sessions import silence_watch
from portal.signaling.sessions.opening_turns import OpeningTurns
from portal.signaling.sessions.session_manager import SessionManager
from portal.signaling.store import session_status
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_reads import GroupedReads
from portal.signaling.store.grouped_writes import GroupedWrites
from portal.signaling.store.session_status import SessionStatus
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SCOPE, SETTINGS
from tests.dots_client.client.test_redirection import Pair, pair, to
from tests.dots_client.transport.loopback import until


class InlineThreads:
    async def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    run_first = run


async def _tells_nothing(watch: UnknownMitigationWatch, _rows: object) -> None:
    watch._ask_at = float("inf")


async def _alone(_grouped: GroupedWrites, _status: object) -> bool:
    return False


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[SessionState, str]]:
    """The statuses that would be saved for the pages."""
    statuses: list[tuple[SessionState, str]] = []

    def record_session(*, status: SessionStatus, **_row: Any) -> None:
        statuses.append((status.state, status.not_followed or status.detail))

    monkeypatch.setattr(GroupedWrites, "record_session", _alone)
    monkeypatch.setattr(session_status, "record_session", record_session)
    monkeypatch.setattr(session_status, "record_heard", lambda **_row: None)
    monkeypatch.setattr("portal.mitigations.queries.live_mitigations", lambda *_which: [])
    monkeypatch.setattr("portal.inventory.queries.open_unknown", lambda _subscriptions: [])
    monkeypatch.setattr(UnknownMitigationWatch, "_ask_inventory", _tells_nothing)
    return statuses


def manager_of(settings: ClientSettings, *, fence: LeaseFence | None = None) -> SessionManager:
    threads = cast(DatabaseThreads, InlineThreads())
    return SessionManager(
        subscription_id=uuid.uuid4(),
        owner="here",
        threads=threads,
        ledger=Ledger(threads),
        book=Book(threads),
        grouped=GroupedWrites(threads),
        reads=GroupedReads(threads),
        turns=OpeningTurns(),
        recorder=WireRecorder(SharedCapacity(1)),
        settings=settings,
        fence=fence or LeaseFence(asked_at=boottime()),
    )


def _load(monkeypatch: pytest.MonkeyPatch, settings: ConnectionSettings) -> None:
    monkeypatch.setattr(
        connection_settings, "load_several", lambda ids: dict.fromkeys(ids, settings)
    )


@asynccontextmanager
async def running_manager(
    there: Pair, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SessionManager]:
    settings = ConnectionSettings(server=there.server, credentials=authority.client(), cuid=CUID)
    _load(monkeypatch, settings)
    manager = manager_of(SETTINGS)
    running = asyncio.create_task(manager.run())
    try:
        await until(lambda: manager.session is not None)
        yield manager
    finally:
        running.cancel()
        await asyncio.wait({running})


def client_of(manager: SessionManager) -> Client:
    assert manager.session is not None
    return manager.session.client


@pytest.mark.rule("SC-098")
@pytest.mark.rule("SC-100")
async def test_the_session_moves_to_the_alternate_and_back(
    monkeypatch: pytest.MonkeyPatch, notes: list[tuple[SessionState, str]]
) -> None:
    authority = Authority()
    async with pair(authority) as there, running_manager(there, authority, monkeypatch) as manager:
        home = client_of(manager)
        there.home.script.append(to(ttl_s=1))
        with pytest.raises(Redirected):
            await home.request(1, SCOPE)

        await until(lambda: client_of(manager) is not home)
        assert client_of(manager).peer.startswith("127.0.0.2:")
        await until(lambda: there.servers[0].sessions == ())

        await until(lambda: client_of(manager).peer.startswith("127.0.0.1:"))
        await until(lambda: there.servers[1].sessions == ())

    port = there.server.port
    up = [detail for state, detail in notes if state == SessionState.UP]
    assert up == [f"127.0.0.1:{port}", f"127.0.0.2:{port}", f"127.0.0.1:{port}"]
    assert SessionState.DOWN not in {state for state, _ in notes}


async def test_a_session_stays_where_it_is_when_the_alternate_is_away(
    monkeypatch: pytest.MonkeyPatch, notes: list[tuple[SessionState, str]]
) -> None:
    authority = Authority()
    async with pair(authority) as there, running_manager(there, authority, monkeypatch) as manager:
        home = client_of(manager)
        there.home.script.append(to("alt.example", "127.0.0.3"))
        with pytest.raises(Redirected):
            await home.request(1, SCOPE)
        await until(lambda: not manager.runner.cache_of(there.server).is_redirected)

        assert client_of(manager) is home
        assert (await home.request(2, SCOPE)).mid == 2
        assert SessionState.DOWN not in {state for state, _ in notes}


@pytest.mark.rule("SC-103")
async def test_a_redirection_loop_is_shown_on_the_pages(
    monkeypatch: pytest.MonkeyPatch, notes: list[tuple[SessionState, str]]
) -> None:
    authority = Authority()
    async with pair(authority) as there, running_manager(there, authority, monkeypatch) as manager:
        home = client_of(manager)
        there.home.script.append(to())
        there.alt.script.append(to("home.example", "127.0.0.1"))
        with pytest.raises(Redirected):
            await home.request(1, SCOPE)
        await until(lambda: client_of(manager) is not home)
        with pytest.raises(Redirected):
            await client_of(manager).request(1, SCOPE)

        await until(lambda: notes[-1][1] == "circle")
        assert notes[-1][0] == SessionState.UP
        assert client_of(manager).peer.startswith("127.0.0.2:")


@pytest.mark.rule("SC-094")
@pytest.mark.rule("SC-095")
async def test_an_attempt_ends_when_the_silent_session_is_heard_again(
    monkeypatch: pytest.MonkeyPatch, notes: list[tuple[SessionState, str]]
) -> None:
    authority = Authority()
    async with pair(authority) as there, running_manager(there, authority, monkeypatch) as manager:
        session, (home, _alt) = manager.session, there.servers
        assert session is not None
        strangers: set[object] = set()
        known = {session.address for session in home.sessions}

        def lose_strangers(_datagram: bytes, address: object) -> bool:
            if address not in known:
                strangers.add(address)
            return address not in known

        home.drop_incoming = lose_strangers
        # The old session is alive, so it must not be heard before there is an attempt to end.
        manager._reconnect = Reconnect(
            rng=random.Random(1), settings=ReconnectSettings(attack_spread_s=0)
        )
        session.is_suspect.set()
        await until(lambda: bool(strangers))
        assert len(manager.runner.tasks) == 2

        session.is_suspect.clear()
        manager._changed.set()

        await until(lambda: len(manager.runner.tasks) == 1)
        assert manager.session is session
        assert notes[-1][0] == SessionState.UP


async def test_a_silent_session_that_is_replaced_is_closed_at_the_server(
    monkeypatch: pytest.MonkeyPatch, notes: list[tuple[SessionState, str]]
) -> None:
    """Otherwise the server keeps it, receives nothing on it, and may start standby mitigations."""
    monkeypatch.setattr(silence_watch, "WATCH_S", 60.0)
    authority = Authority()
    async with pair(authority) as there, running_manager(there, authority, monkeypatch) as manager:
        first, home = manager.session, there.servers[0]
        assert first is not None
        (at_the_server,) = home.sessions
        manager._reconnect = Reconnect(
            rng=random.Random(1), settings=ReconnectSettings(attack_spread_s=0)
        )

        first.is_suspect.set()

        await until(lambda: manager.session not in (None, first))
        await until(lambda: len(home.sessions) == 1)
        assert at_the_server not in home.sessions
        assert at_the_server.reason == "the client closed the session"


async def test_the_cache_of_a_provider_is_dropped_when_its_row_changes() -> None:
    manager = manager_of(ClientSettings())
    one = manager.runner.cache_of(Server("a.example"))

    assert manager.runner.cache_of(Server("a.example")) is one
    assert manager.runner.cache_of(Server("a.example", port=4647)) is not one


async def test_the_reason_for_a_missing_session_is_logged_once_and_then_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="portal.signaling.sessions.session_manager")
    manager, credentials = manager_of(SETTINGS), Authority().client()
    for port in (9, 9, 9, 10, 9):
        server = Server("provider.example", host="127.0.0.1", port=port, transports=("tls",))
        settings = ConnectionSettings(server=server, credentials=credentials, cuid=CUID)
        _load(monkeypatch, settings)
        await manager._read_settings()
        await manager._attempt(is_wanted=True)
    manager._log.close()

    name = f"subscription {manager.subscription_id}"
    first, second = (f"{name}: no session: nothing listens at 127.0.0.1:{port}" for port in (9, 10))
    assert [record.getMessage() for record in caplog.records] == [
        first,
        second,
        f"{name}: 3 more lines like {first!r}",
    ]


@pytest.mark.parametrize(("is_followed", "unavailable"), [(True, []), (False, [("5.03", True)])])
async def test_a_request_whose_redirection_is_followed_is_not_saved_as_refused(
    monkeypatch: pytest.MonkeyPatch, is_followed: bool, unavailable: list[tuple[str, bool]]
) -> None:
    written: list[tuple[str, bool]] = []
    row = Mitigation(pk=uuid.uuid4(), mid=1, status=Status.PENDING)

    async def request(*_args: object, **_options: object) -> None:
        raise Redirected(RedirectedSignal(alt_server="alt.example"), ttl_s=600)

    monkeypatch.setattr(leases, "write_as_owner", lambda _subscription, _owner, call: call())
    monkeypatch.setattr(put_request, "scope_of", lambda *_args, **_options: SCOPE)
    monkeypatch.setattr(put_request, "lifetime_to_ask", lambda *_args: 3600)
    services = "portal.mitigations.services"
    monkeypatch.setattr(f"{services}.record_sendings", lambda sendings: {row.pk: None})
    monkeypatch.setattr(f"{services}.record_sent", lambda **_row: None)
    # The lifetime of the redirection, here 600 s, is not a pause.
    monkeypatch.setattr(
        f"{services}.record_unavailable",
        lambda **row: written.append(
            (
                row["code"],
                row["retry_at"] - row["now"] <= timedelta(seconds=NOT_FOLLOWED_RETRY_S),
            )
        ),
    )
    actions = MitigationActions(
        FencedStore(
            subscription_id=uuid.uuid4(),
            owner="here",
            threads=cast(DatabaseThreads, InlineThreads()),
            fence=LeaseFence(asked_at=boottime()),
        ),
        on_cuid_replaced=lambda: None,
    )
    client = cast(
        Client,
        SimpleNamespace(
            request=request, is_sent_elsewhere=is_followed, check_request=lambda *_asked: None
        ),
    )

    await actions.perform(client, row, Action.REQUEST)

    assert written == unavailable


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (RuntimeError("a defect"), ["its session manager failed: RuntimeError"]),
        # How everything ends when another worker has taken the lease.
        (SessionClosed("this worker no longer has the lease of the subscription"), []),
    ],
)
async def test_a_defect_is_logged_when_the_lease_is_lost_too(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    lines: list[str],
) -> None:
    fence = LeaseFence(asked_at=boottime())
    manager = manager_of(SETTINGS, fence=fence)

    async def fail() -> None:
        fence.close()
        raise error

    monkeypatch.setattr(manager, "_connect_or_watch", fail)
    await manager.run()

    found = [one.message for one in caplog.records if "session manager failed" in one.message]
    assert [line.split(": ", 1)[1] for line in found] == lines
