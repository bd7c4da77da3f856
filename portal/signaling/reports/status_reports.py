"""The status reports of a provider: poll them, and have polled and pushed ones saved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dots_client import Client, ConflictCause, DotsError, MitigationReport, Refused, SessionClosed
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.signaling.leasing import database_clock
from portal.signaling.mapping import provider_report
from portal.signaling.reports.ledger import Ledger
from portal.signaling.reports.session_report import SessionReport
from portal.signaling.store.fenced_store import FencedStore

logger = logging.getLogger(__name__)

POLL_TIMEOUT_S: Final = 30.0
LIST_TIMEOUT_S: Final = 10.0
"""After this, poll each mitigation alone: a list is long, and one mitigation may be the reason that
it fails.
"""
MAX_CONCURRENT_POLLS: Final = 8


@dataclass(frozen=True, slots=True)
class PollResult:
    """The outcome of a poll."""

    statuses: Mapping[UUID, int | None]
    "the DOTS status of each mitigation in the answer"
    absent: frozenset[UUID] = frozenset()
    "the provider does not know these"
    has_news: bool = True


class StatusReports:
    """For the mitigations of one subscription, across its sessions."""

    def __init__(self, store: FencedStore, ledger: Ledger) -> None:
        self.store = store
        self._ledger = ledger
        self._polls = asyncio.Semaphore(MAX_CONCURRENT_POLLS)

    async def poll_all(self, client: Client, rows: Sequence[Mitigation]) -> PollResult:
        """Poll all of them with one GET. Some servers list only a part, or refuse to list."""
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                listed = {report.mid: report for report in await client.statuses()}
        except SessionClosed:
            raise
        except (DotsError, TimeoutError) as error:
            reason = error or "silence"
            logger.info("%s: no list of all mitigations: %s", self.store.name(), reason)
            listed = {}
        return await self._take({row: listed[row.mid] for row in rows if row.mid in listed})

    async def poll(self, client: Client, row: Mitigation) -> PollResult:
        """Poll one. Raises the client's error for a refusal, and TimeoutError without an answer."""
        async with self._polls:
            asked_at = database_clock.now()
            try:
                async with asyncio.timeout(POLL_TIMEOUT_S):
                    report = await client.status(row.mid)
            except Refused as error:
                if not await self.save_refusal(row, error, asked_at=asked_at):
                    raise
                return PollResult(statuses={}, absent=frozenset({row.pk}))
        return await self._take({row: report})

    async def _take(self, reports: Mapping[Mitigation, MitigationReport]) -> PollResult:
        """Save the reports."""
        now = database_clock.now()
        has_news = False
        for row, report in reports.items():
            repeats = services.says_nothing_new(row, provider_report(report), now)
            has_news = has_news or not repeats
        # One after the other: each waits for room.
        for row, report in reports.items():
            await self._put_in_turn(row, report, at=now)
        self._check(await asyncio.gather(*(self._ledger.until_saved(row.pk) for row in reports)))
        return PollResult(
            statuses={row.pk: report.status for row, report in reports.items()},
            has_news=has_news,
        )

    async def save(self, row: Mitigation, report: MitigationReport) -> None:
        """Save the answer to a poll. Raises SessionClosed if another worker has the lease."""
        await self._put_in_turn(row, report, at=database_clock.now())
        self._check([await self._ledger.until_saved(row.pk)])

    async def _put_in_turn(
        self, row: Mitigation, report: MitigationReport, *, at: datetime
    ) -> None:
        while not self.has_room(row):
            self._check([await self._ledger.until_one_saved(row.subscription_id)])
        await self.put(row, report, at=at)

    def _check(self, saved: Iterable[bool]) -> None:
        if not (all(saved) and self.store.is_open):
            raise SessionClosed("this worker no longer has the lease of the subscription")

    def has_room(self, row: Mitigation) -> bool:
        """Whether a report about it would not be dropped."""
        return self._ledger.has_room(row.pk, row.subscription_id)

    async def put(
        self,
        row: Mitigation,
        report: MitigationReport,
        *,
        at: datetime | None = None,
        on_saved: Callable[[ProviderReport, datetime], None] | None = None,
    ) -> None:
        """Have the ledger save a report, or drop it if there is no room. `at`: when it arrived; now
        if None. `on_saved`: called once it is saved, or cannot be, with what was saved and when it
        arrived.
        """
        try:
            said = provider_report(report)
        except Exception as error:  # noqa: BLE001  `write_failure` logs it
            # A provider's report may hold anything.
            await self.store.write_failure(row, error, is_answered=True)
            return
        self._ledger.put(
            SessionReport(
                mitigation_id=row.pk,
                subscription_id=row.subscription_id,
                organization_id=row.organization_id,
                report=said,
                at=at or database_clock.now(),
                row=row,
                store=self.store,
                on_saved=on_saved,
            )
        )

    def has_unsaved(self, mitigation_id: UUID) -> bool:
        """Whether a report about it still waits to be saved, so that the time in the row is too
        old.
        """
        return self._ledger.has_unsaved(mitigation_id)

    async def save_refusal(self, row: Mitigation, error: Refused, *, asked_at: datetime) -> bool:
        """Save that the provider refused a status. True when it does not know the mitigation at
        all.

        `asked_at`: when the GET was sent, even if the refusal came much later, as a notification.
        """
        if error.code != "4.04":
            return False
        # Its earlier reports must not be saved after that.
        await self._ledger.until_saved(row.pk)
        try:
            await self.store.write(_forgotten, row.pk, asked_at)
        except DotsError:
            raise
        except Exception as failure:  # noqa: BLE001  `write_failure` logs it
            # As for any other answer: `write_failure` logs the trace.
            await self.store.write_failure(row, failure, is_answered=True)
        return True


def _forgotten(mitigation_id: UUID, asked_at: datetime) -> None:
    """The provider does not know it: replaced by a newer one of ours, lost, withdrawn, or never
    received.
    """
    newer = queries.newer_overlapping(mitigation_id)
    now = database_clock.now()
    if not newer:
        services.record_forgotten(mitigation_id=mitigation_id, now=now, asked_at=asked_at)
        return
    services.record_superseded(
        mitigation_id=mitigation_id,
        conflict=ProviderConflict(cause=int(ConflictCause.OVERLAPPING_TARGETS), mid=newer[-1].mid),
        now=now,
    )
