"""What one session does with what it hears while the database is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

from django.utils import timezone

from dots_client import Client, DotsError, MitigationReport, MitigationStatus
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import Status
from portal.signaling.exchange import Exchange
from portal.signaling.line import Line
from portal.signaling.recorder import Recorder
from portal.signaling.store import Store
from tests.dots_client.transport.loopback import until


class Session:
    """Gives the reports that are put into it."""

    mitigating = False

    def __init__(self) -> None:
        self.reports: asyncio.Queue[MitigationReport] = asyncio.Queue()
        self.last_heard_at = asyncio.get_running_loop().time()

    async def closed(self) -> DotsError:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    @asynccontextmanager
    async def observe(self, _mid: int) -> AsyncIterator[AsyncIterator[MitigationReport]]:
        async def reports() -> AsyncIterator[MitigationReport]:
            while True:
                yield await self.reports.get()

        yield reports()


class SlowExchange:
    """Accepts everything, and writes only when it may."""

    def __init__(self) -> None:
        self.subscription_id = uuid4()
        self.may_write = asyncio.Event()
        self.written: list[MitigationReport] = []

    async def perform(self, *_what: object) -> bool:
        return True

    async def flush(self, *, heard_s: float) -> None:
        pass

    async def reported(self, _row: Mitigation, report: MitigationReport) -> None:
        await self.may_write.wait()
        self.written.append(report)


class Rows:
    def __init__(self, *rows: Mitigation) -> None:
        self._rows = list(rows)

    async def run_first(self, _call: Callable[..., Any], *_args: object) -> list[Mitigation]:
        return self._rows


def _said(status: MitigationStatus, bytes_dropped: int) -> MitigationReport:
    return MitigationReport(mid=1, status=status, bytes_dropped=bytes_dropped)


async def test_of_reports_that_wait_for_the_database_the_last_of_each_status_is_written() -> None:
    session, exchange = Session(), SlowExchange()
    row = Mitigation(
        pk=uuid4(), mid=1, status=Status.IN_PROGRESS, request=MitigationRequest(),
        asked_at=timezone.now(),
    )  # fmt: skip
    line = Line(
        cast(Client, session),
        cast(Exchange, exchange),
        cast(Store, Rows(row)),
        recorder=cast(Recorder, SimpleNamespace(keeps_heartbeats=False)),
        on_relief=lambda: None,
    )
    running = asyncio.create_task(line.run())
    mitigating, exceeded = MitigationStatus.MITIGATING, MitigationStatus.EXCEEDED_CAPABILITY
    for status, counted in (
        (mitigating, 1), (mitigating, 2), (mitigating, 3),
        (exceeded, 4), (exceeded, 5),
        (mitigating, 6),
    ):  # fmt: skip
        session.reports.put_nowait(_said(status, counted))
    await until(session.reports.empty)

    exchange.may_write.set()

    await until(lambda: len(exchange.written) == 3)
    assert [report.bytes_dropped for report in exchange.written] == [3, 5, 6]
    running.cancel()
    await asyncio.wait([running])
