"""Writes of all sessions of a worker that share one statement: those that came while the last one
ran. So a single write does not wait, and in a rush the statements get longer instead of more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from django.db import transaction

from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import Confirmation, Sending
from portal.signaling import leases, session_status
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.lease_fence import LeaseFence

MAX_GROUP: Final = 200
"""Most writes with one statement; the others wait for the next one."""

T = TypeVar("T")
R = TypeVar("R")


class GroupedCall(Generic[T, R]):
    """Calls `run` with the arguments of all callers that wait, and gives each the common result."""

    def __init__(self, run: Callable[[Sequence[T]], Awaitable[R]]) -> None:
        self._run = run
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None
        # Not that of a caller: log lines of a group belong to no single subscription.
        self._context = copy_context()

    async def __call__(self, argument: T) -> R:
        """The result for the group that `argument` was in. Raises what its `run` raised."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, result))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run_groups(), context=self._context.copy())
        return await result

    async def _run_groups(self) -> None:
        group: list[tuple[T, asyncio.Future[R]]] = []
        try:
            # Let the other callers of this turn of the loop join.
            await asyncio.sleep(0)
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                try:
                    common = await self._run([argument for argument, _ in group])
                except Exception as error:  # noqa: BLE001  it belongs to the callers
                    _fail(group, error)
                else:
                    for _, result in group:
                        if not result.done():
                            result.set_result(common)
        except BaseException as error:
            # No caller may wait for a task that has ended.
            left, self._waiting = [*group, *self._waiting], []
            _fail(left, error)
            raise


def _fail(group: Sequence[tuple[T, asyncio.Future[R]]], error: BaseException) -> None:
    for _, result in group:
        if result.done():
            continue
        if isinstance(error, asyncio.CancelledError):
            result.cancel()
        else:
            result.set_exception(error)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request may be sent. `version`: of its row after that; None: unknown."""

    version: int | None = None


@dataclass(frozen=True, slots=True)
class OwnedConfirmation:
    """A confirmation that is saved only while `owner` has the lease that `fence` belongs to."""

    owner: str
    fence: LeaseFence
    confirmation: Confirmation


class GroupedWrites:
    """For all sessions of a worker."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._sendings = GroupedCall(self._record_sendings)
        self._confirmations = GroupedCall(self._record_confirmations)
        self._heard: dict[UUID, tuple[str, datetime]] = {}

    async def record_sending(self, row: Mitigation, now: datetime) -> Recorded | None:
        """Record that a request may have been sent; None if it must not be."""
        versions = await self._sendings(Sending(row.pk, row.version, now))
        if row.pk in versions:
            return Recorded(versions[row.pk])
        # The row changed, or another transaction holds it.
        may_be_sent = await self._threads.run_first(
            services.record_sending, mitigation_id=row.pk, mid=row.mid, now=now
        )
        return Recorded() if may_be_sent else None

    async def record_confirmation(self, row: Mitigation, one: OwnedConfirmation) -> bool:
        """Save a plain confirmation, also in `row`; False if `record_confirmed` must decide."""
        versions = await self._confirmations(one)
        if row.pk not in versions:
            return False
        services.note_confirmed(row, one.confirmation, versions[row.pk])
        return True

    def note_heard(self, owner: str, subscription_id: UUID, at: datetime) -> None:
        """The provider of this subscription was last heard at `at`, for the next `save_heard`."""
        self._heard[subscription_id] = (owner, at)

    async def save_heard(self) -> None:
        """Save when each provider was last heard, for all subscriptions together. Times that
        the database did not accept are saved the next time.
        """
        heard, self._heard = self._heard, {}
        try:
            for owner in {owner for owner, _ in heard.values()}:
                own = {one: at for one, (by, at) in heard.items() if by == owner}
                await self._threads.run(session_status.record_heard, owner=owner, heard=own)
        except BaseException:
            self._heard = {**heard, **self._heard}
            raise

    async def _record_sendings(self, sendings: Sequence[Sending]) -> dict[UUID, int | None]:
        return await self._threads.run_first(services.record_sendings, sendings)

    async def _record_confirmations(
        self, confirmations: Sequence[OwnedConfirmation]
    ) -> dict[UUID, int]:
        return await self._threads.run(_record_as_owner, confirmations)


def _record_as_owner(confirmations: Sequence[OwnedConfirmation]) -> dict[UUID, int]:
    """Those of subscriptions that the worker does not own any more are not saved."""
    saved: dict[UUID, int] = {}
    for owner in {one.owner for one in confirmations}:
        own = [one for one in confirmations if one.owner == owner]
        with transaction.atomic():
            owned = leases.still_owned(owner, {one.confirmation.subscription_id for one in own})
            # The worker may own the subscription under a later lease than the session's.
            saved |= services.record_confirmations(
                [
                    one.confirmation
                    for one in own
                    if one.fence.is_open() and one.confirmation.subscription_id in owned
                ]
            )
    return saved
