"""What is saved about a request, in which order, however the provider answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from dots_client import (
    Client,
    DotsError,
    EncodeError,
    MitigationReport,
    Refused,
    Scope,
    ServerUnavailable,
    Targets,
)
from portal.core import targets
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.signaling.actions import put_request
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action
from portal.signaling.actions.put_request import SENT_SHOWN_WITHIN_S
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_writes import GroupedWrites, Recorded
from tests.portal.signaling.recording_store import RecordingStore
from tests.portal.signaling.virtual_time import pass_time, virtual_time

SENDING, SENT = services.record_sending, services.record_sent
SOON_S, LATE_S = SENT_SHOWN_WITHIN_S / 2, SENT_SHOWN_WITHIN_S * 2
SAVED_AFTER_S = 5.0


class Provider:
    """Answers after `answers_after_s`; without `is_sent` nothing is sent."""

    def __init__(
        self, answer: DotsError | None, answers_after_s: float, *, is_sent: bool = True
    ) -> None:
        self._answer = answer
        self._answers_after_s = answers_after_s
        self._is_sent = is_sent
        self.is_sent_elsewhere = False

    def check_request(self, *_what: object) -> None:
        """It can be sent."""

    async def request(
        self, mid: int, _scope: Scope, *, on_sent: Callable[[int], None]
    ) -> MitigationReport:
        if self._is_sent:
            on_sent(1)
        await asyncio.sleep(self._answers_after_s)
        if self._answer is not None:
            raise self._answer
        return MitigationReport(mid=mid, lifetime=600)


@pytest.fixture(autouse=True)
def _scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(put_request, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(put_request, "lifetime_to_ask", lambda *_args: 3600)


def new_row() -> Mitigation:
    return Mitigation(pk=uuid4(), mid=7, status="pending", asked_at=timezone.now())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (None, services.record_confirmed),
        (Refused("4.03"), services.record_refused),
        (ServerUnavailable("5.03", "busy", retry_after_s=9), services.record_unavailable),
    ],
)
@pytest.mark.parametrize("answers_after_s", [SOON_S, LATE_S])
@virtual_time
async def test_a_sent_request_is_saved_as_sent_once_and_before_its_answer(
    answer: DotsError | None, outcome: Callable[..., Any], answers_after_s: float
) -> None:
    store, row = RecordingStore(), new_row()
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)

    provider = Provider(answer, answers_after_s)
    await actions.perform(cast(Client, provider), row, Action.REQUEST)

    calls = [call for call, _ in store.writes]
    at = store.writes[0][1]["now"]
    is_with_the_answer = answer is None and answers_after_s == SOON_S
    expected = [SENDING, outcome] if is_with_the_answer else [SENDING, SENT, outcome]
    assert calls == expected
    if answer is None:
        saved = store.writes[-1][1]
        assert saved["sent_at"] == (at if is_with_the_answer else None)
        assert saved["sends"] == 1
        await actions.activity.save(heard_s=0.0)
        assert len(store.writes) == len(calls), "the datagram is not counted twice"
    else:
        assert store.writes[1] == (SENT, {"mitigation_id": row.pk, "now": at})


@virtual_time
async def test_an_unsent_request_is_not_saved_as_sent() -> None:
    store = RecordingStore()
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)
    provider = Provider(EncodeError("target-prefix", "too long"), SOON_S, is_sent=False)

    await actions.perform(cast(Client, provider), new_row(), Action.REQUEST)

    assert [call for call, _ in store.writes] == [SENDING, services.record_not_sendable]


@pytest.mark.parametrize("is_sent", [True, False])
@virtual_time
async def test_an_interrupted_request_was_sent_all_the_same(*, is_sent: bool) -> None:
    store, row = RecordingStore(), new_row()
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)
    provider = Provider(None, LATE_S, is_sent=is_sent)
    action = asyncio.create_task(actions.perform(cast(Client, provider), row, Action.REQUEST))
    await pass_time(SOON_S)

    action.cancel()
    await asyncio.wait({action})
    await pass_time(SOON_S)

    assert [call for call, _ in store.writes] == ([SENDING, SENT] if is_sent else [SENDING])


class AwayStore(RecordingStore):
    """Cannot write `what` until it `is_back`."""

    def __init__(self, what: Callable[..., Any]) -> None:
        super().__init__()
        self.what = what
        self.is_back = asyncio.Event()

    async def write(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if call is self.what:
            await self.is_back.wait()
        return await super().write(call, *args, **kwargs)


@pytest.mark.parametrize("answer", [None, Refused("4.03")], ids=repr)
@pytest.mark.parametrize("answers_after_s", [SOON_S, LATE_S])
@pytest.mark.parametrize("write", [SENT, services.record_confirmed, services.record_refused])
@virtual_time
async def test_an_interrupted_write_loses_no_event_that_a_request_was_sent(
    write: Callable[..., Any], answers_after_s: float, answer: DotsError | None
) -> None:
    store, row = AwayStore(write), new_row()
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)
    provider = Provider(answer, answers_after_s)
    action = asyncio.create_task(actions.perform(cast(Client, provider), row, Action.REQUEST))
    await pass_time(2 * LATE_S)

    action.cancel()
    await asyncio.wait({action})
    store.is_back.set()
    await pass_time(SOON_S)

    saved = [arguments for call, arguments in store.writes if call is SENT]
    confirmed = [one for call, one in store.writes if call is services.record_confirmed]
    assert len(saved) + sum(one["sent_at"] is not None for one in confirmed) == 1
    assert all(one["now"] == store.writes[0][1]["now"] for one in saved)


class BusyDatabase:
    """Saves one group of outcomes after another, each in `SAVED_AFTER_S`."""

    def __init__(self) -> None:
        self.groups: list[list[UUID]] = []

    async def run(self, _save: object, _record: object, several: Sequence[Any]) -> list[Any]:
        self.groups.append([one.what.mitigation_id for one in several])
        await asyncio.sleep(SAVED_AFTER_S)
        return [{one.what: None for one in several}]


class BusyStore(RecordingStore):
    def __init__(self) -> None:
        super().__init__()
        self.database = BusyDatabase()
        self._grouped = GroupedWrites(cast(DatabaseThreads, self.database))

    async def record_sent(self, row: Mitigation, at: datetime) -> None:
        await FencedStore.record_sent(self, row, at)


@virtual_time
async def test_a_confirmation_takes_the_place_of_an_event_that_waits_to_be_saved() -> None:
    store, silent, answered = BusyStore(), new_row(), new_row()
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)
    never, late = Provider(None, 60.0), Provider(None, LATE_S)
    asked = asyncio.create_task(actions.perform(cast(Client, never), silent, Action.REQUEST))
    await pass_time(SOON_S)

    await actions.perform(cast(Client, late), answered, Action.REQUEST)

    saved = store.writes[-1][1]
    at = next(one["now"] for _, one in store.writes if one["mitigation_id"] == answered.pk)
    assert (saved["mitigation_id"], saved["sent_at"]) == (answered.pk, at)
    await pass_time(2 * SAVED_AFTER_S)
    assert store.database.groups == [[silent.pk]]
    asked.cancel()


@virtual_time
async def test_a_confirmation_waits_for_an_event_that_is_being_saved() -> None:
    store, row = BusyStore(), new_row()
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)

    await actions.perform(cast(Client, Provider(None, LATE_S)), row, Action.REQUEST)

    assert store.database.groups == [[row.pk]]
    assert store.writes[-1][0] is services.record_confirmed
    assert store.writes[-1][1]["sent_at"] is None


class VersionedStore(RecordingStore):
    """Knows the version of each row, so that a plain confirmation may be saved with others."""

    async def record_sending(self, row: Mitigation, now: datetime) -> Recorded | None:
        await super().record_sending(row, now)
        return Recorded(version=2)

    async def record_confirmation(self, row: Mitigation, one: services.Confirmation) -> bool:
        self.writes.append((services.record_confirmations, {"sent_at": one.sent_at}))
        return True


@pytest.mark.parametrize(
    ("was_sent", "answers_after_s", "saved_by"),
    [
        (False, SOON_S, services.record_confirmations),
        (True, SOON_S, services.record_confirmed),
        (True, LATE_S, services.record_confirmations),
    ],
    ids=["first copy", "perhaps with an event", "with an event"],
)
@virtual_time
async def test_the_log_is_read_before_an_event_for_an_earlier_copy_is_saved_again(
    *, was_sent: bool, answers_after_s: float, saved_by: Callable[..., Any]
) -> None:
    store, row = VersionedStore(), new_row()
    row.scope = targets.Targets.saved(prefixes=("203.0.113.7/32",))
    row.request = MitigationRequest(lifetime_s=3600, auto_renew=True, scope=row.scope)
    row.sent_at = row.asked_at if was_sent else None
    actions = MitigationActions(store, on_cuid_replaced=lambda: None)

    provider = Provider(None, answers_after_s)
    await actions.perform(cast(Client, provider), row, Action.REQUEST)

    assert store.writes[-1][0] is saved_by
