"""Observe each mitigation on one session, and have the provider's notifications saved in order (RFC
9132 section 4.4.2.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from dots_client import Client, DotsError, MitigationReport, Refused, SessionClosed
from portal.core.log_ids import add_log_ids
from portal.mitigations.models import Mitigation
from portal.mitigations.services import ProviderReport
from portal.signaling.leasing import database_clock
from portal.signaling.reports.status_reports import StatusReports
from portal.signaling.retry_after import asked_wait_s

logger = logging.getLogger(__name__)

OBSERVE_AGAIN_S: Final = 10.0


class Observations:
    """Runs until `tasks` are cancelled.

    Calls `on_report` when a report arrives that is not dropped, `on_saved` when it, or one that
    replaced it, is saved or could not be, with what was saved and when it arrived, and `on_absent`
    when the provider does not know the mitigation.
    """

    def __init__(
        self,
        client: Client,
        reports: StatusReports,
        *,
        on_report: Callable[[Mitigation, MitigationReport], None],
        on_saved: Callable[[Mitigation, ProviderReport, datetime], None],
        on_absent: Callable[[Mitigation], None],
    ) -> None:
        self._client = client
        self._reports = reports
        self._on_report = on_report
        self._on_saved = on_saved
        self._on_absent = on_absent
        self._observers: dict[UUID, asyncio.Task[None]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        return list(self._observers.values())

    def begin(self, row: Mitigation) -> None:
        """Observe this mitigation from now on. A repeated call changes nothing."""
        if row.pk not in self._observers:
            self._observers[row.pk] = asyncio.create_task(self._observe(row))

    def forget_all_but(self, live: Set[UUID]) -> None:
        for mitigation_id in self._observers.keys() - live:
            self._observers.pop(mitigation_id).cancel()

    async def _observe(self, row: Mitigation) -> None:
        add_log_ids(mid=row.mid)
        while True:
            again_s = OBSERVE_AGAIN_S
            try:
                await self._take_reports(row)
            except SessionClosed:
                return
            except DotsError as error:
                logger.warning("%s: observation ended: %s", self._reports.store.name(row), error)
                again_s = max(again_s, asked_wait_s(error))
            except Exception:
                # A defect must not end the observation for the rest of the session.
                logger.exception("%s: the observation crashed", self._reports.store.name(row))
            await asyncio.sleep(again_s)

    async def _take_reports(self, row: Mitigation) -> None:
        asked_at = database_clock.now()
        try:
            async with self._client.observe(row.mid) as reports:
                async for report in reports:
                    if self._reports.has_room(row):
                        # One that is dropped must not delay the poll that repeats it.
                        self._on_report(row, report)
                    await self._reports.put(row, report, on_saved=partial(self._on_saved, row))
        except Refused as error:
            if not await self._reports.save_refusal(row, error, asked_at=asked_at):
                raise
            self._on_absent(row)
