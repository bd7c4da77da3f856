"""The status reports of a provider: poll them, and save polled and pushed ones."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from dots_client import Client, ConflictCause, DotsError, MitigationReport, Refused, SessionClosed
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.signaling import database_clock
from portal.signaling.fenced_store import FencedStore
from portal.signaling.mapping import provider_report

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

    def __init__(self, store: FencedStore) -> None:
        self.store = store
        self._polls = asyncio.Semaphore(MAX_CONCURRENT_POLLS)
        self._unsaved: Counter[UUID] = Counter()

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
            try:
                async with asyncio.timeout(POLL_TIMEOUT_S):
                    report = await client.status(row.mid)
            except Refused as error:
                if not await self.save_refusal(row, error):
                    raise
                return PollResult(statuses={}, absent=frozenset({row.pk}))
        return await self._take({row: report})

    async def _take(self, reports: Mapping[Mitigation, MitigationReport]) -> PollResult:
        """Save the reports. Those that only repeat the rows share one statement."""
        repeated: set[UUID] = set()
        for row, report in reports.items():
            if services.says_nothing_new(row, provider_report(report), database_clock.now()):
                repeated.add(row.pk)
            else:
                await self.save(row, report)
        if repeated:
            await self.store.write(
                services.record_repeated, mitigation_ids=repeated, now=database_clock.now()
            )
        return PollResult(
            statuses={row.pk: report.status for row, report in reports.items()},
            has_news=len(repeated) < len(reports),
        )

    async def save(self, row: Mitigation, report: MitigationReport) -> None:
        """Save a notification or the answer to a poll.

        A report that cannot be saved does not delay the others.
        """
        self._unsaved[row.pk] += 1
        try:
            await self.store.write(
                services.record_report,
                mitigation_id=row.pk,
                report=provider_report(report),
                now=database_clock.now(),
            )
        except DotsError:
            raise
        except Exception as error:  # noqa: BLE001  `write_failure` logs it
            # Anything in a report may make the write fail; `write_failure` logs the trace.
            await self.store.write_failure(row, error, is_answered=True)
        finally:
            self._unsaved -= Counter({row.pk: 1})

    def has_unsaved(self, mitigation_id: UUID) -> bool:
        """Whether a report about it still waits to be saved, so that the time in the row is too
        old.
        """
        return self._unsaved[mitigation_id] > 0

    async def save_refusal(self, row: Mitigation, error: Refused) -> bool:
        """Save that the provider refused a status. True when it does not know the mitigation at
        all.
        """
        if error.code != "4.04":
            return False
        try:
            await self.store.write(_forgotten, row.pk)
        except DotsError:
            raise
        except Exception as failure:  # noqa: BLE001  `write_failure` logs it
            # As for any other answer: `write_failure` logs the trace.
            await self.store.write_failure(row, failure, is_answered=True)
        return True


def _forgotten(mitigation_id: UUID) -> None:
    """The provider does not know it: replaced by a newer one of ours, lost, withdrawn, or never
    received.
    """
    newer = queries.newer_overlapping(mitigation_id)
    now = database_clock.now()
    if not newer:
        services.record_forgotten(mitigation_id=mitigation_id, now=now)
        return
    services.record_superseded(
        mitigation_id=mitigation_id,
        conflict=ProviderConflict(cause=int(ConflictCause.OVERLAPPING_TARGETS), mid=newer[-1].mid),
        now=now,
    )
