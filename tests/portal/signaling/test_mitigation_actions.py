"""What is saved after each kind of answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from dots_client import (
    Client,
    Conflicted,
    ConflictInformation,
    DotsError,
    HopLimitReached,
    MitigationReport,
    Redirected,
    RedirectedSignal,
    Refused,
    RemoteProtocolError,
    Scope,
    ServerUnavailable,
    Targets,
)
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.signaling.actions import mitigation_actions, put_request
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action
from portal.signaling.leasing import database_clock as signaling_clock
from tests.portal.signaling.recording_store import RecordingStore

pytestmark = pytest.mark.sqlite


def actions_of(store: RecordingStore) -> MitigationActions:
    return MitigationActions(store, on_cuid_replaced=lambda: None)


class InLoop:
    """A session with a gateway that sends everything in a loop."""

    async def withdraw(self, _mid: int) -> None:
        raise HopLimitReached(("edge-1", "core-2", "edge-1"))


@pytest.mark.rule("SC-107")
async def test_a_withdrawal_that_ran_in_a_loop_is_saved_with_the_gateways() -> None:
    store = RecordingStore()
    actions = actions_of(store)
    row = Mitigation(pk=uuid4(), mid=7, confirmed_at=signaling_clock.now())

    await actions.perform(cast(Client, InLoop()), row, Action.WITHDRAW)

    [(call, written)] = store.writes
    assert call is services.record_end_in_loop
    assert (written["mitigation_id"], written["gateways"]) == (row.pk, "edge-1, core-2")


class Answering:
    """A provider that grants, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def check_request(self, _mid: int, _scope: Scope) -> None:
        """It can be sent."""

    async def request(self, mid: int, _scope: Scope, **_options: object) -> MitigationReport:
        if self._error:
            raise self._error
        return MitigationReport(mid=mid, lifetime=600)


@pytest.mark.parametrize(
    "error", [None, Refused("4.00"), Conflicted(ConflictInformation(retry_timer_s=9))]
)
async def test_an_outcome_names_the_extension_it_belongs_to(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(put_request, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(put_request, "lifetime_to_ask", lambda *_args: 3600)
    store = RecordingStore()
    actions = actions_of(store)
    extended = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
    row = Mitigation(pk=uuid4(), mid=7, status="mitigating", refresh_asked_at=extended)

    await actions.perform(cast(Client, Answering(error)), row, Action.REFRESH)

    [(_, written)] = store.writes
    assert written["extended_at"] == extended


@pytest.mark.parametrize("status", ["pending", "mitigating"])
@pytest.mark.parametrize(
    ("asked_s", "waits_s"), [(2, 2), (60, 60), (0, 1), (2**32 - 1, 300)], ids=str
)
async def test_an_answer_429_asks_for_a_pause_and_refuses_nothing(
    monkeypatch: pytest.MonkeyPatch, status: str, asked_s: int, waits_s: int
) -> None:
    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(put_request, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(put_request, "lifetime_to_ask", lambda *_args: 3600)
    store = RecordingStore()
    actions, row = actions_of(store), Mitigation(pk=uuid4(), mid=7, status=status)
    busy = Refused("4.29", "slow down", retry_after_s=asked_s)

    is_held = await actions.perform(cast(Client, Answering(busy)), row, Action.REFRESH)

    [(call, written)] = store.writes
    assert call is services.record_unavailable
    assert (written["code"], written["reason"]) == ("4.29", "slow down")
    assert written["retry_at"] - written["now"] == timedelta(seconds=waits_s)
    assert is_held == (status == "mitigating")


@pytest.mark.parametrize("may_leave", [True, False])
async def test_a_mitigation_that_a_delete_did_not_end_gets_a_lifetime_of_a_second(
    monkeypatch: pytest.MonkeyPatch, may_leave: bool
) -> None:
    asked: list[tuple[int, Scope]] = []

    class Counted(RecordingStore):
        async def write(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            assert not asked, "it is counted before it leaves"
            await super().write(call, *args, **kwargs)
            return may_leave

    class Keeping:
        def check_request(self, *_what: object) -> None:
            pass

        async def request(self, mid: int, scope: Scope, **_options: object) -> MitigationReport:
            asked.append((mid, scope))
            return MitigationReport(mid=mid, lifetime=1)

    scopes = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)), trigger_mitigation=False)
    monkeypatch.setattr(
        mitigation_actions,
        "scope_of",
        lambda _row, lifetime_s: replace(scopes, lifetime=lifetime_s),
    )
    store = Counted()
    actions, row = actions_of(store), Mitigation(pk=uuid4(), mid=7)

    await actions.perform(cast(Client, Keeping()), row, Action.RELEASE)

    assert store.writes[0][0] is services.record_release
    assert asked == ([(7, replace(scopes, lifetime=1))] if may_leave else [])


REDIRECT = RedirectedSignal(alt_server="alt.example")


@pytest.mark.rule("SC-064")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (MitigationReport(mid=7), (True, "", "", None)),
        (None, (False, "", "", None)),
        (ServerUnavailable("5.03", "busy", retry_after_s=60), (False, "5.03", "busy", 60)),
        (ServerUnavailable("5.00", retry_after_s=10**9), (False, "5.00", "", 300)),
        (ServerUnavailable("5.03", retry_after_s=0), (False, "5.03", "", 1)),
        (Redirected(REDIRECT, ttl_s=3600), (False, "5.03", "", 5)),
        (Refused("4.29", "slow down", retry_after_s=7), (False, "4.29", "slow down", 7)),
        (Refused("4.00", "what?"), (False, "4.00", "what?", None)),
        (
            Conflicted(ConflictInformation(retry_timer_s=9)),
            (False, "4.09", "", 9),
        ),
        (RemoteProtocolError("code 6.00"), (False, "", "", None)),
    ],
    ids=repr,
)
async def test_the_answer_to_an_efficacy_update_is_saved_in_full(
    monkeypatch: pytest.MonkeyPatch,
    answer: MitigationReport | DotsError | None,
    expected: tuple[bool, str, str, int | None],
) -> None:
    class Hearing:
        async def efficacy(self, *_what: object) -> MitigationReport | None:
            if isinstance(answer, DotsError):
                raise answer
            return answer

    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(mitigation_actions, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(mitigation_actions, "lifetime_to_ask", lambda *_args: 3600)
    asked_at = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
    row = Mitigation(pk=uuid4(), mid=7, efficacy=1, efficacy_asked_at=asked_at)
    store = RecordingStore()
    actions = actions_of(store)

    await actions.perform(cast(Client, Hearing()), row, Action.EFFICACY)

    [(call, kept)] = store.writes
    assert call is services.record_efficacy_answered
    assert kept["asked_at"] == asked_at
    names = ("is_accepted", "code", "reason", "retry_after_s")
    assert tuple(kept[name] for name in names) == expected
