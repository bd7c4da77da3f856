"""A server that holds mitigations, and the rows of the unknown ones, for one session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from dots_client import (
    Client,
    MitigationReport,
    Refused,
    Scope,
)
from portal.core.targets import ReportedTargets
from portal.inventory import services
from portal.inventory.models import UnknownMitigation
from portal.mitigations.models import Mitigation
from portal.mitigations.queries import mitigations_by_mid
from portal.signaling.actions.unknown_mitigations import (
    UnknownMitigationWatch,
)
from portal.signaling.leasing import database_clock
from portal.signaling.store.fenced_store import FencedStore
from tests.portal.signaling.test_inventory_comparison import OTHER
from tests.portal.signaling.virtual_time import until

CUID = "ours"


class Server:
    """Holds `held`, lists what is not in `unlisted`, and stops what is withdrawn unless it
    `refuses`.
    """

    cuid = CUID

    def __init__(self, *held: MitigationReport, unlisted: Sequence[int] = ()) -> None:
        self.held = {one.mid: one for one in held if one.mid is not None}
        self.unlisted = unlisted
        self.list_refusal: Exception | None = None
        self.refuses: Exception | None = None
        self.asked: list[int | None] = []
        self.put: list[tuple[int, Scope]] = []
        self.withdrawn: list[int] = []

    async def statuses(self) -> list[MitigationReport]:
        self.asked.append(None)
        if self.list_refusal:
            raise self.list_refusal
        listed = [one for mid, one in self.held.items() if mid not in self.unlisted]
        if not listed:
            raise Refused("4.04")
        return listed

    async def status(self, mid: int) -> MitigationReport:
        self.asked.append(mid)
        if mid not in self.held:
            raise Refused("4.04")
        return self.held[mid]

    async def request(self, mid: int, scope: Scope) -> MitigationReport:
        self.put.append((mid, scope))
        if self.refuses:
            raise self.refuses
        return MitigationReport(mid=mid, lifetime=scope.lifetime)

    async def withdraw(self, mid: int) -> None:
        self.withdrawn.append(mid)
        if self.refuses:
            raise self.refuses


class Rows:
    """A stand-in for the store; records every write."""

    def __init__(self, *own: Mitigation) -> None:
        self.subscription_id = uuid4()
        self.own = {one.mid: one for one in own}
        self.unknown: list[UnknownMitigation] = []
        self.written: list[tuple[Callable[..., Any], dict[str, Any]]] = []

    async def run(self, call: Callable[..., Any], *args: Any) -> Any:
        assert call is mitigations_by_mid
        return {mid: self.own[mid] for mid in args[1] if mid in self.own}

    async def open_unknown(self) -> list[UnknownMitigation]:
        return list(self.unknown)

    async def write(self, call: Callable[..., Any], **kwargs: Any) -> Any:
        self.written.append((call, kwargs))
        if call is services.record_release:
            [row] = [one for one in self.unknown if one.pk == kwargs["unknown_id"]]
            row.release_tried_at, row.release_tries = kwargs["now"], row.release_tries + 1
            return True
        return None

    async def record_empty_inventory(self, _refusal: str, _now: datetime) -> bool:
        return False

    def calls(self, call: Callable[..., Any]) -> list[dict[str, Any]]:
        return [kwargs for one, kwargs in self.written if one is call]


@asynccontextmanager
async def watching(server: Server, rows: Rows) -> AsyncIterator[UnknownMitigationWatch]:
    watch = UnknownMitigationWatch(cast(Client, server), cast(FencedStore, rows))
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])


def recorded(mid: int, prefixes: Sequence[str] = OTHER, **fields: Any) -> UnknownMitigation:
    targets = ReportedTargets(prefixes=tuple(prefixes))
    return UnknownMitigation(
        pk=uuid4(), cuid=CUID, mid=mid, dots_status=2, targets=targets, **fields
    )


async def taken(server: Server, rows: Rows) -> dict[str, Any]:
    async with watching(server, rows):
        await until(lambda: bool(rows.calls(services.record_inventory)))
    return rows.calls(services.record_inventory)[0]


def kept(**fields: Any) -> UnknownMitigation:
    """Withdrawn, confirmed, and reported in standby since."""
    at = database_clock.now() - timedelta(minutes=1)
    one = recorded(
        4,
        withdrawal_asked_at=at,
        withdrawal_confirmed_at=at,
        told_at=at,
        reported_at=database_clock.now(),
    )
    one.dots_status = 8
    for name, value in fields.items():
        setattr(one, name, value)
    return one
