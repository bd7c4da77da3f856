"""Find mitigations that the server holds and that have no row here, and withdraw them on request.

Every session asks repeatedly, because the database may be restored meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from uuid import UUID

from dots_client import (
    Client,
    DotsError,
    MitigationReport,
    MitigationStatus,
    NoAnswer,
    Refused,
    RemoteProtocolError,
    Scope,
    ServerUnavailable,
    SessionClosed,
    Targets,
)
from portal.inventory import queries, services
from portal.inventory.models import UnknownMitigation
from portal.inventory.reported_mitigation import is_different
from portal.mitigations.models import Mitigation
from portal.mitigations.queries import mitigations_by_mid
from portal.mitigations.services import raise_next_mid
from portal.mitigations.states import CONFIRMED, IN_STANDBY
from portal.signaling.actions.mitigation_actions import RELEASE_LIFETIME_S
from portal.signaling.async_events import loop_time
from portal.signaling.inventory.inventory_comparison import InventoryAnswer, is_ours, next_mid_after
from portal.signaling.inventory.inventory_query import query_inventory
from portal.signaling.leasing import database_clock
from portal.signaling.mapping import reported_mitigation
from portal.signaling.retry_after import asked_wait_s, retry_wait_s
from portal.signaling.store.fenced_store import FencedStore

logger = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 15.0
EVERY_S: Final = 300.0
"""How often to ask while nothing is unknown: only this shows that the database lost its last
seconds.
"""
UNKNOWN_EVERY_S: Final = 15.0
"""How often to ask while the server holds something unknown."""
ENDING_EVERY_S: Final = 5.0
"""How often to ask while the server is ending some of it."""
CHECK_S: Final = 3.0
"""How long a withdrawal waits for what the server says about its mid."""
AGAIN_AFTER_S: Final = 30.0
"""The pause before asking again after the first missing list, and before repeating a withdrawal
that had no effect.
"""


class UnknownMitigationWatch:
    """Watches one session until it ends."""

    def __init__(self, client: Client, store: FencedStore) -> None:
        self._client = client
        self._store = store
        self._subscription_id = store.subscription_id
        self._woken = asyncio.Event()
        self._ask_at = float("-inf")
        self._not_before = float("-inf")
        "the end of the pause that the server asked for; no list is asked for sooner"
        self._withdraw_at: dict[UUID, float] = {}
        self._postponed: set[UUID] = set()
        self._again_s = AGAIN_AFTER_S

    def wake(self) -> None:
        """Check now: a person may have asked to withdraw one."""
        self._woken.set()

    def ask_again(self) -> None:
        """Ask now: the server holds more than the rows say."""
        self._ask_at = float("-inf")
        self.wake()

    async def run(self) -> None:
        """Run until the session ends."""
        while True:
            self._woken.clear()
            try:
                await self._check()
            except SessionClosed as error:
                logger.info("subscription %s: %s", self._subscription_id, error)
                return
            except DotsError as error:
                logger.warning("subscription %s: no inventory: %s", self._subscription_id, error)
                self._ask_at = loop_time() + AGAIN_AFTER_S
            except Exception:
                # A defect here must not end the session, which may filter for other requests.
                logger.exception("subscription %s: the inventory crashed", self._subscription_id)
                self._ask_at = loop_time() + AGAIN_AFTER_S
            await self._wait()

    async def _wait(self) -> None:
        now = loop_time()
        due_at = min([self._ask_due_at, *(at for at in self._withdraw_at.values() if at > now)])
        try:
            async with asyncio.timeout_at(due_at):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _check(self) -> None:
        rows = await self._store.open_unknown()
        self._withdraw_at = {row.pk: at for row in rows if (at := self._withdraw_at.get(row.pk))}
        self._postponed &= self._withdraw_at.keys()
        for row in await self._due_withdrawals(rows):
            await self._withdraw(row)
        if self._ask_due_at <= loop_time():
            await self._ask_inventory(rows)

    @property
    def _ask_due_at(self) -> float:
        return max(self._ask_at, self._not_before)

    async def _due_withdrawals(self, rows: list[UnknownMitigation]) -> list[UnknownMitigation]:
        time, now = loop_time(), database_clock.now()
        due = [
            row
            for row in rows
            if row.cuid == self._client.cuid
            and self._withdraw_at.get(row.pk, time) <= time
            and queries.withdrawal_is_due(row, now)
        ]
        if not due:
            return []
        own = await self._rows_of([row.mid for row in due])
        # A request may have taken the mid meanwhile; it must not be withdrawn.
        return [row for row in due if row.mid not in own or own[row.mid].status not in CONFIRMED]

    async def _rows_of(self, mids: list[int]) -> dict[int, Mitigation]:
        if not mids:
            return {}
        return await self._store.run(mitigations_by_mid, self._subscription_id, mids)

    async def _withdraw(self, row: UnknownMitigation) -> None:
        self._withdraw_at[row.pk] = loop_time() + AGAIN_AFTER_S
        report, wait_s = await self._status(row.mid)
        if wait_s and row.pk not in self._postponed:
            # Only once: a server that never answers this question must not prevent the withdrawal.
            self._postponed.add(row.pk)
            self._postpone(row, wait_s)
            return
        # The withdrawal may be meant for an older mitigation: a restored database assigns mids a
        # second time.
        if report is not None and is_different(row, reported_mitigation(row.mid, report)):
            logger.warning("unknown mid %s: it is another mitigation now", row.mid)
            self._ask_within(0)
            return
        if row.is_still_held and (report is None or report.status == IN_STANDBY):
            # Another DELETE would not end it, and a PUT could stop what a lost session started.
            if report is not None:
                await self._release(row, report)
            return
        await self._delete(row)

    async def _delete(self, row: UnknownMitigation) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._client.withdraw(row.mid)
        except (RemoteProtocolError, NoAnswer, TimeoutError) as error:
            logger.warning(
                "unknown mid %s: no answer to the withdrawal: %s", row.mid, error or "silence"
            )
        except (Refused, ServerUnavailable) as error:
            logger.warning("unknown mid %s: not withdrawn: %s", row.mid, error)
            self._postpone(row, retry_wait_s(error))
            if asked_wait_s(error):
                return  # 4.29 asks for a pause and refuses nothing (RFC 8516 section 4)
            await self._store.write(
                services.record_withdrawal_refused,
                unknown_id=row.pk,
                code=error.code,
                now=database_clock.now(),
            )
        else:
            await self._store.write(
                services.record_withdrawal_confirmed, unknown_id=row.pk, now=database_clock.now()
            )
            self._ask_soon(row)

    async def _status(self, mid: int) -> tuple[MitigationReport | None, float]:
        """The report, and the pause in seconds that the server asks for instead of one.

        No report: the server does not hold the mitigation, or does not say. A DELETE does no harm
        then.
        """
        try:
            async with asyncio.timeout(CHECK_S):
                return await self._client.status(mid), 0.0
        except (Refused, ServerUnavailable) as error:
            return None, retry_wait_s(error)
        except (RemoteProtocolError, NoAnswer, TimeoutError):
            return None, 0.0

    async def _release(self, row: UnknownMitigation, report: MitigationReport) -> None:
        """End by a short lifetime what a DELETE did not end. The next status shows whether that
        worked.
        """
        if not await self._store.write(
            services.record_release, unknown_id=row.pk, now=database_clock.now()
        ):
            return
        scope = Scope(
            targets=report.targets or Targets(),
            lifetime=RELEASE_LIFETIME_S,
            trigger_mitigation=False,
        )
        wait_s = 0.0
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._client.request(row.mid, scope)
        except SessionClosed:
            raise
        except (DotsError, TimeoutError) as error:
            logger.warning(
                "unknown mid %s: not ended by its lifetime: %s", row.mid, error or "silence"
            )
            wait_s = retry_wait_s(error)
        self._ask_soon(row)
        self._postpone(row, wait_s)

    def _postpone(self, row: UnknownMitigation, seconds: float) -> None:
        self._withdraw_at[row.pk] = max(self._withdraw_at[row.pk], loop_time() + seconds)

    def _ask_soon(self, row: UnknownMitigation) -> None:
        self._withdraw_at[row.pk] = loop_time() + ENDING_EVERY_S
        self._ask_within(ENDING_EVERY_S)

    async def _ask_inventory(self, rows: list[UnknownMitigation]) -> None:
        self._ask_at = float("inf")
        answer = await query_inventory(
            self._client, also=[row.mid for row in rows], within_s=ANSWER_WITHIN_S
        )
        self._not_before = loop_time() + answer.wait_s
        self._ask_within(self._pause_s(answer, rows))
        if answer.held:
            await self._store.write(
                raise_next_mid,
                subscription_id=self._subscription_id,
                to=next_mid_after(*answer.held),
            )
        own = await self._rows_of(list(answer.held))
        now = database_clock.now()
        unknown = [
            reported_mitigation(mid, report)
            for mid, report in answer.held.items()
            if report.status != MitigationStatus.TERMINATED
            and not is_ours(report, own.get(mid), now)
        ]
        if unknown:
            self._ask_within(UNKNOWN_EVERY_S)
        elif not rows and await self._store.record_empty_inventory(answer.refusal, now):
            return
        await self._store.write(
            services.record_inventory,
            subscription_id=self._subscription_id,
            cuid=self._client.cuid,
            unknown=unknown,
            answered_mids=answer.held.keys() | answer.absent,
            refusal=answer.refusal,
            now=now,
        )

    def _ask_within(self, seconds: float) -> None:
        self._ask_at = min(self._ask_at, loop_time() + seconds)

    def _pause_s(self, answer: InventoryAnswer, rows: list[UnknownMitigation]) -> float:
        if any(row.told_at and not row.is_release_given_up for row in rows):
            return ENDING_EVERY_S
        if rows:
            return UNKNOWN_EVERY_S
        if answer.is_listed:
            self._again_s = AGAIN_AFTER_S
            return EVERY_S
        pause_s, self._again_s = self._again_s, min(EVERY_S, 2 * self._again_s)
        return pause_s
