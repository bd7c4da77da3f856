"""What providers report about mitigations: asked for, or heard, and written down."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from dots_client import Client, DotsError, MitigationReport, Refused, SessionClosed
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation
from portal.signaling import clock
from portal.signaling.hold import Hold
from portal.signaling.mapping import OWN_NEWER_REQUEST, provider_report
from portal.signaling.saving import Saver
from portal.signaling.store import Store

logger = logging.getLogger(__name__)

POLL_TIMEOUT_S: Final = 30.0
LIST_TIMEOUT_S: Final = 10.0
"""Then each is asked for by itself: a list is much, and one mitigation may be why it does not come."""
MAX_POLLS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Polled:
    """What came of asking for a status."""

    told: Mapping[UUID, int | None]
    "the DOTS status of each mitigation that the answer was about"
    absent: frozenset[UUID] = frozenset()
    "the provider does not know these"
    has_news: bool = True


class Statuses(Saver):
    """Of one subscription's mitigations, while `owner` holds it."""

    def __init__(self, *, subscription_id: UUID, owner: str, store: Store, hold: Hold) -> None:
        super().__init__(subscription_id=subscription_id, owner=owner, store=store, hold=hold)
        self._polls = asyncio.Semaphore(MAX_POLLS_AT_ONCE)
        self._unwritten: Counter[UUID] = Counter()

    async def poll_all(self, client: Client, rows: Sequence[Mitigation]) -> Polled:
        """Ask for the status of all of them in one. Some servers list only part, or refuse to list."""
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                listed = {report.mid: report for report in await client.statuses()}
        except SessionClosed:
            raise
        except (DotsError, TimeoutError) as error:
            reason = error or "silence"
            logger.info("subscription %s: no list of all: %s", self.subscription_id, reason)
            listed = {}
        return await self._take({row: listed[row.mid] for row in rows if row.mid in listed})

    async def poll(self, client: Client, row: Mitigation) -> Polled:
        """Ask for the status of one. Raises what its answer means, and TimeoutError for none."""
        async with self._polls:
            try:
                async with asyncio.timeout(POLL_TIMEOUT_S):
                    report = await client.status(row.mid)
            except Refused as error:
                if not await self.refused_status(row, error):
                    raise
                return Polled(told={}, absent=frozenset({row.pk}))
        return await self._take({row: report})

    async def _take(self, reports: Mapping[Mitigation, MitigationReport]) -> Polled:
        """Write what was reported; what only repeats the rows, in one statement."""
        repeated: set[UUID] = set()
        for row, report in reports.items():
            if services.says_nothing_new(row, provider_report(report), clock.now()):
                repeated.add(row.pk)
            else:
                await self.reported(row, report)
        if repeated:
            await self.write(services.record_repeated, mitigation_ids=repeated, now=clock.now())
        return Polled(
            told={row.pk: report.status for row, report in reports.items()},
            has_news=len(repeated) < len(reports),
        )

    async def reported(self, row: Mitigation, report: MitigationReport) -> None:
        """A notification, or the answer to a poll. One that cannot be saved holds up no other."""
        self._unwritten[row.pk] += 1
        try:
            await self.write(
                services.record_report,
                mitigation_id=row.pk,
                report=provider_report(report),
                now=clock.now(),
            )
        except DotsError:
            raise
        except Exception as error:
            await self._mark(row, error, is_answered=True)
        finally:
            self._unwritten -= Counter({row.pk: 1})

    def has_unwritten(self, mitigation_id: UUID) -> bool:
        """The provider was heard, and the row does not say so yet."""
        return self._unwritten[mitigation_id] > 0

    async def refused_status(self, row: Mitigation, error: Refused) -> bool:
        """A status was refused; True when the provider does not know the mitigation at all."""
        if error.code != "4.04":
            return False
        try:
            await self.write(_forgotten, row.pk)
        except DotsError:
            raise
        except Exception as failure:
            await self._mark(row, failure, is_answered=True)
        return True


def _forgotten(mitigation_id: UUID) -> None:
    """The provider does not know it: dropped for a newer one of ours, lost, ended as wanted, or never received."""
    newer = queries.newer_overlapping(mitigation_id)
    now = clock.now()
    if not newer:
        services.record_forgotten(mitigation_id=mitigation_id, now=now)
        return
    services.record_superseded(
        mitigation_id=mitigation_id,
        conflict={"reason": OWN_NEWER_REQUEST, "mid": newer[-1].mid},
        now=now,
    )
