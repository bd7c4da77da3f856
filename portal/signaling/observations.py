"""Observe each mitigation on one session, and save the provider's notifications in order (RFC 9132
section 4.4.2.1).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Set
from typing import Any, Final
from uuid import UUID

from dots_client import Client, DotsError, MitigationReport, Refused, SessionClosed
from portal.core.log_ids import add_log_ids
from portal.mitigations.models import Mitigation
from portal.signaling.retry_after import asked_wait_s
from portal.signaling.status_reports import StatusReports

logger = logging.getLogger(__name__)

OBSERVE_AGAIN_S: Final = 10.0
MAX_WAITING_REPORTS: Final = 32
"""Different reports about one mitigation that wait for the database; beyond that the oldest are
dropped.
"""


class Observations:
    """Runs until `tasks` are cancelled.

    Calls `on_report` when a report arrives, `on_saved` when it is saved or could not be, and
    `on_absent` when the provider does not know the mitigation.
    """

    def __init__(
        self,
        client: Client,
        reports: StatusReports,
        *,
        on_report: Callable[[Mitigation, MitigationReport], None],
        on_saved: Callable[[Mitigation, MitigationReport], None],
        on_absent: Callable[[Mitigation], None],
    ) -> None:
        self._client = client
        self._reports = reports
        self._on_report = on_report
        self._on_saved = on_saved
        self._on_absent = on_absent
        self._observers: dict[UUID, asyncio.Task[None]] = {}
        self._writers: dict[UUID, tuple[deque[MitigationReport], asyncio.Task[None]]] = {}

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        return [*self._observers.values(), *(task for _, task in self._writers.values())]

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
        try:
            async with self._client.observe(row.mid) as reports:
                async for report in reports:
                    self._write_down(row, report)
        except Refused as error:
            await self._until_written(row)
            if not await self._reports.save_refusal(row, error):
                raise
            self._on_absent(row)

    def _write_down(self, row: Mitigation, report: MitigationReport) -> None:
        """Save the reports in the order in which they came. Of those that wait for the database,
        only the last of a status counts.
        """
        self._on_report(row, report)
        if row.pk not in self._writers:
            waiting = deque([report], maxlen=MAX_WAITING_REPORTS)
            self._writers[row.pk] = waiting, asyncio.create_task(self._write(row, waiting))
            return
        waiting, _ = self._writers[row.pk]
        if waiting and _is_of_the_same(waiting[-1], report):
            waiting[-1] = report
        else:
            waiting.append(report)

    async def _write(self, row: Mitigation, waiting: deque[MitigationReport]) -> None:
        try:
            while waiting:
                report = waiting.popleft()
                try:
                    await self._reports.save(row, report)
                except SessionClosed as error:
                    logger.info(
                        "%s: a report was not saved: %s", self._reports.store.name(row), error
                    )
                    return
                except Exception:
                    # A defect must not lose the reports that wait behind this one. The next poll
                    # repeats it.
                    logger.exception("%s: a report was not saved", self._reports.store.name(row))
                self._on_saved(row, report)
        finally:
            del self._writers[row.pk]

    async def _until_written(self, row: Mitigation) -> None:
        if row.pk in self._writers:
            await asyncio.wait([self._writers[row.pk][1]])


def _is_of_the_same(one: MitigationReport, other: MitigationReport) -> bool:
    return (one.status, one.conflict, one.mitigation_start) == (
        other.status,
        other.conflict,
        other.mitigation_start,
    )
