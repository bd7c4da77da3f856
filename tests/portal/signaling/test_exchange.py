"""What becomes of answers that a provider never gave."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from dots_client import (
    Client,
    Conflicted,
    ConflictInformation,
    HopLimitReached,
    MitigationReport,
    MitigationStatus,
    Refused,
    Scope,
    Targets,
)
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.signaling import clock as signaling_clock
from portal.signaling import exchange as exchange_module
from portal.signaling.exchange import Exchange
from portal.signaling.hold import Hold, clock
from portal.signaling.plan import Action
from portal.signaling.store import Store


class Written(Exchange):
    """An exchange that keeps what it would write."""

    def __init__(self) -> None:
        super().__init__(
            subscription_id=uuid4(),
            owner="me",
            store=cast(Store, None),
            hold=Hold(asked_at=clock()),
            on_cuid_replaced=lambda: None,
        )
        self.writes: list[tuple[Callable[..., Any], dict[str, Any]]] = []

    async def write(self, call: Callable[..., Any], *_args: Any, **kwargs: Any) -> Any:
        self.writes.append((call, kwargs))


class InCircle:
    """A session with a gateway that sends everything round."""

    async def withdraw(self, _mid: int) -> None:
        raise HopLimitReached(("edge-1", "core-2", "edge-1"))


@pytest.mark.rule("SC-107")
async def test_an_end_that_went_round_is_written_down_with_the_gateways() -> None:
    exchange = Written()
    row = Mitigation(pk=uuid4(), mid=7, confirmed_at=signaling_clock.now())

    await exchange.perform(cast(Client, InCircle()), row, Action.WITHDRAW)

    [(call, told)] = exchange.writes
    assert call is services.record_end_in_loop
    assert (told["mitigation_id"], told["gateways"]) == (row.pk, "edge-1, core-2")


class Answering:
    """A provider that grants, refuses, or knows of a clash."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def request(self, mid: int, _scope: Scope, **_options: object) -> MitigationReport:
        if self._error:
            raise self._error
        return MitigationReport(mid=mid, lifetime=600)


@pytest.mark.parametrize(
    "error", [None, Refused("4.00"), Conflicted(ConflictInformation(retry_timer_s=9))]
)
async def test_what_came_of_a_request_says_which_extension_it_knew_of(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    scope = Scope(targets=Targets(target_prefix=("203.0.113.7/32",)))
    monkeypatch.setattr(exchange_module, "scope_of", lambda *_args, **_options: scope)
    monkeypatch.setattr(exchange_module, "lifetime_to_ask", lambda *_args: 3600)
    exchange = Written()
    extended = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
    row = Mitigation(pk=uuid4(), mid=7, status="mitigating", refresh_asked_at=extended)

    await exchange.perform(cast(Client, Answering(error)), row, Action.REFRESH)

    [(_, told)] = exchange.writes
    assert told["extended_at"] == extended


class Listing:
    """A session with a provider that lists `listed`, holds `held` as well, and knows nothing else."""

    def __init__(
        self,
        *,
        listed: tuple[int, ...] | None,
        held: tuple[int, ...] = (),
        refused_with: str = "4.04",
    ) -> None:
        self._listed = listed
        self._held = held
        self._refused_with = refused_with
        self.asked: list[int | None] = []

    async def statuses(self) -> tuple[MitigationReport, ...]:
        self.asked.append(None)
        if self._listed is None:
            raise Refused("4.05", "one at a time, please")
        return tuple(MitigationReport(mid=mid) for mid in self._listed)

    async def status(self, mid: int) -> MitigationReport:
        self.asked.append(mid)
        if mid not in self._held:
            raise Refused(self._refused_with, "")
        return MitigationReport(mid=mid)


@pytest.mark.rule("SC-053")
@pytest.mark.parametrize(
    ("provider", "rows", "asked", "known"),
    [
        (Listing(listed=(1, 2, 3)), (1, 2), [None], {1, 2}),
        (Listing(listed=(1,)), (1, 2), [None, 2], {1}),
        (Listing(listed=(1,), held=(2,)), (1, 2), [None, 2], {1, 2}),
        (Listing(listed=None, held=(1, 2)), (1, 2), [None, 1, 2], {1, 2}),
        (Listing(listed=(1,), held=(1,)), (1,), [1], {1}),
    ],
    ids=["all", "one is gone", "one is not listed", "lists nothing", "one alone"],
)
async def test_several_are_asked_for_in_one_and_who_is_missing_by_itself(
    provider: Listing, rows: tuple[int, ...], asked: list[int | None], known: set[int]
) -> None:
    exchange = Written()
    held = {mid: Mitigation(pk=uuid4(), mid=mid) for mid in rows}

    found = await exchange.poll(cast(Client, provider), list(held.values()))

    assert provider.asked == asked
    assert found.known == {held[mid].pk for mid in known}
    assert found.has_news
    reported = [kwargs["mitigation_id"] for call, kwargs in exchange.writes if kwargs]
    assert reported == [held[mid].pk for mid in sorted(known)]


async def test_a_status_that_is_not_told_is_no_news_and_not_forgotten() -> None:
    exchange = Written()
    row = Mitigation(pk=uuid4(), mid=1)

    found = await exchange.poll(cast(Client, Listing(listed=None, refused_with="4.03")), [row])

    assert found.known == found.refused == {row.pk}
    assert not found.has_news
    assert exchange.writes == []


async def test_what_only_repeats_the_rows_is_written_in_one() -> None:
    exchange, now = Written(), signaling_clock.now()
    rows = [
        Mitigation(
            pk=uuid4(), mid=mid, status="in_progress", confirmed_at=now, last_heard_at=now,
            dots_status=1, expires_at=now + timedelta(seconds=600),
        )
        for mid in (1, 2, 3)
    ]  # fmt: skip
    reports = [
        MitigationReport(mid=mid, status=MitigationStatus(status), lifetime=600)
        for mid, status in ((1, 1), (2, 1), (3, 2))
    ]

    class Repeating:
        async def statuses(self) -> list[MitigationReport]:
            return reports

    found = await exchange.poll(cast(Client, Repeating()), rows)

    assert found.has_news
    writes = dict(exchange.writes)
    assert writes[services.record_repeated]["mitigation_ids"] == {rows[0].pk, rows[1].pk}
    assert writes[services.record_report]["mitigation_id"] == rows[2].pk
    reports.pop()
    assert not (await exchange.poll(cast(Client, Repeating()), rows[:2])).has_news


async def test_what_was_heard_and_is_not_written_yet_is_known() -> None:
    row = Mitigation(pk=uuid4(), mid=1)
    seen: list[bool] = []

    class Looking(Written):
        async def write(self, call: Callable[..., Any], *_args: Any, **kwargs: Any) -> Any:
            seen.append(self.has_unwritten(row.pk))

    exchange = Looking()
    await exchange.reported(row, MitigationReport(mid=1))

    assert seen == [True]
    assert not exchange.has_unwritten(row.pk)
