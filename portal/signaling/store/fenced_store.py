"""The database as one subscription's session uses it: retries while the database is away, and stops
when the lease is lost.

A write also saves a provider's answer when the database, or our own code, refuses part of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

from django.db import Error

from dots_client import DotsError, SessionClosed
from portal.core.database import RowsLocked, is_away, waits_for_locks
from portal.core.errors import SecretUnreadable
from portal.inventory import queries
from portal.inventory.models import UnknownMitigation
from portal.inventory.services import EmptyInventory
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import Confirmation, ProviderReport, Sent
from portal.providers.models import Subscription
from portal.signaling.connection_settings import ConnectionSettings, load_connection_settings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import database_clock, leases
from portal.signaling.leasing.lease_fence import LeaseFence
from portal.signaling.store import session_status
from portal.signaling.store.grouped_reads import GroupedReads
from portal.signaling.store.grouped_writes import GroupedWrites, Owned, Recorded
from portal.signaling.store.session_status import SessionStatus
from portal.signaling.store.session_statuses import ReportedStatus

logger = logging.getLogger(__name__)

RETRY_S: Final = 0.5
MAX_RETRY_S: Final = 5.0
DETAILS: Final[Mapping[str, Any]] = {"reason": "", "conflict": None, "gateways": ""}
"""Service arguments that contain text or numbers from a provider, and the value that
replaces each.
"""

P = ParamSpec("P")
T = TypeVar("T")


class NotSaved(Exception):
    """The provider answered, but only the fact of its answer could be saved."""


class FencedStore:
    """Runs database calls for one subscription while `owner` has its lease.

    Every method raises SessionClosed once the fence is closed.
    """

    def __init__(
        self,
        *,
        subscription_id: UUID,
        owner: str,
        threads: DatabaseThreads,
        fence: LeaseFence,
        grouped: GroupedWrites | None = None,
        reads: GroupedReads | None = None,
    ) -> None:
        """`grouped` and `reads`: of the worker; without them, its calls are grouped with those of
        no other subscription.
        """
        self.subscription_id = subscription_id
        self.owner = owner
        self.threads = threads
        self._grouped = grouped or GroupedWrites(threads)
        self._reads = reads or GroupedReads(threads)
        self._fence = fence

    @property
    def is_open(self) -> bool:
        """Whether this worker may still act for the subscription, by its own clock."""
        return self._fence.is_open()

    def on(self, threads: DatabaseThreads) -> FencedStore:
        """The same store with other threads."""
        other = copy(self)
        other.threads = threads
        return other

    def name(self, *rows: Mitigation) -> str:
        """The subscription and the mids of `rows`, for the log."""
        mids = ", ".join(str(row.mid) for row in rows)
        return f"subscription {self.subscription_id}{f' mid {mids}' if mids else ''}"

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call`; retry for as long as the database is away."""
        return await self.until_done(partial(self.threads.run, partial(call, *args, **kwargs)))

    async def run_first(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, ahead of other database work, because a person's request waits for it."""
        run = self.threads.run_first
        return await self.until_done(partial(run, partial(call, *args, **kwargs)))

    async def load_settings(self) -> ConnectionSettings:
        """Raises SecretUnreadable and Subscription.DoesNotExist."""
        return await self._read(self._reads.settings, alone=load_connection_settings)

    async def open_unknown(self) -> list[UnknownMitigation]:
        """Unknown mitigations that the provider held at its last report."""
        return await self._read(self._reads.open_unknown, alone=_open_unknown)

    async def _read(self, read: Callable[[UUID], Awaitable[T]], *, alone: Callable[[UUID], T]) -> T:
        """Read it with what other subscriptions read, or alone if that fails."""
        try:
            return await self.until_done(partial(read, self.subscription_id))
        except (DotsError, SecretUnreadable, Subscription.DoesNotExist):
            raise
        except Exception:
            # A row of any of the group may be the reason.
            logger.exception("%s: %s failed with others", self.name(), read.__name__)
            return await self.run(alone, self.subscription_id)

    async def record_sending(self, row: Mitigation, now: datetime) -> Recorded | None:
        """Record that a request may have been sent; None if it must not be. Not fenced: it is
        never wrong, and a person waits for the request.
        """
        return await self.until_done(partial(self._grouped.record_sending, row, now))

    async def record_sent(self, row: Mitigation, at: datetime) -> None:
        """Save that a request was sent, with the outcomes of other requests if possible."""
        if not await self._together(self._grouped.record_sent, Sent(row.pk, at)):
            await self.write(services.record_sent, mitigation_id=row.pk, now=at)

    def drop_sent(self, row: Mitigation) -> bool:
        """Do not save what still waits to be saved by `record_sent`, and cancel its caller. False
        if nothing waits.
        """
        return self._grouped.drop_sent(row.pk)

    async def record_confirmation(self, row: Mitigation, one: Confirmation) -> bool:
        """Save a plain confirmation with the outcomes of other requests, also in `row`; False if it
        has to be saved alone.
        """
        return await self._together(partial(self._grouped.record_confirmation, row), one)

    async def record_session(self, status: SessionStatus) -> None:
        """Save the session's status, with those of other subscriptions if possible."""
        now = database_clock.now()
        report = ReportedStatus(self.subscription_id, status, now)
        if not await self._together(self._grouped.record_session, report):
            await self.run(
                session_status.record_session,
                subscription_id=self.subscription_id,
                owner=self.owner,
                status=status,
                now=now,
            )

    async def record_empty_inventory(self, refusal: str, now: datetime) -> bool:
        """Save that the provider named nothing unknown, with the answers of other providers; False
        if it has to be saved alone.
        """
        answer = EmptyInventory(self.subscription_id, refusal, now)
        return await self._together(self._grouped.record_inventory, answer)

    async def _together(self, save: Callable[[Owned[T]], Awaitable[bool]], what: T) -> bool:
        """Save it with those of other subscriptions; False if it has to be saved alone."""
        owned = Owned(self.owner, self._fence, self.subscription_id, what)
        try:
            return await self.until_done(partial(save, owned))
        except DotsError:
            raise
        except Exception:
            # Any of the group may be the reason: each is saved alone.
            kind = type(what).__name__
            logger.exception("%s: %s was not saved with others", self.name(), kind)
            return False

    def note_heard(self, at: datetime) -> None:
        """Save soon, with those of other subscriptions, when the provider was last heard."""
        self._grouped.note_heard(self.owner, self.subscription_id, at)

    async def write(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Save what happened on the wire, unless another worker has taken the lease.

        If the provider's own words or numbers make that fail, save the outcome without them.
        """
        try:
            return await self._write(partial(call, *args, **kwargs))
        except (DotsError, RowsLocked):
            raise
        except Exception as error:
            # A provider's text or numbers may make drivers, fields or our own code raise anything.
            # If the second write fails too, its trace contains this error.
            bare = without_details(kwargs)
            if bare == kwargs:
                raise
            result = await self._write(partial(call, *args, **bare))
            logger.error(
                "%s: %s saved without the provider's details",
                self.name(), call.__name__, exc_info=error,
            )  # fmt: skip
            return result

    async def write_failure(
        self,
        row: Mitigation,
        failure: Exception,
        *,
        is_answered: bool,
        lock_wait_ms: int | None = None,
    ) -> None:
        """When an outcome cannot be saved, save at least that there was one.

        `lock_wait_ms`: raise RowsLocked after waiting this long for a lock; None waits until it is
        free.
        """
        logger.error("%s: an outcome cannot be saved", self.name(row), exc_info=failure)
        try:
            await self.write(
                _mark_failure,
                lock_wait_ms,
                mitigation_id=row.pk,
                is_answered=is_answered,
                now=database_clock.now(),
            )
        except (DotsError, RowsLocked):
            raise
        except Exception:
            # The cause of the first failure may also prevent this write, and nothing else is left
            # to try.
            logger.exception("%s: not even the fact of an outcome was saved", self.name(row))

    async def _write(self, call: Callable[[], T]) -> T:
        def write() -> T:
            # The worker owns the subscription, but perhaps under a later lease than ours.
            if not self._fence.is_open():
                raise leases.NotOwner
            return call()

        return await self.run(leases.write_as_owner, self.subscription_id, self.owner, write)

    async def until_done(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work()`; retry for as long as the database is away."""
        pause_s = RETRY_S
        while self._fence.is_open():
            try:
                return await work()
            except leases.NotOwner:
                logger.warning("%s: another worker has the lease", self.name())
                self._fence.close()
            except Error as error:
                if not is_away(error):
                    raise
                logger.warning("%s: the database is away: %s", self.name(), error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_RETRY_S)
        raise SessionClosed("this worker no longer has the lease of the subscription")


def _open_unknown(subscription_id: UUID) -> list[UnknownMitigation]:
    return queries.open_unknown([subscription_id])


def _mark_failure(
    lock_wait_ms: int | None, *, mitigation_id: UUID, is_answered: bool, now: datetime
) -> None:
    with nullcontext() if lock_wait_ms is None else waits_for_locks(lock_wait_ms):
        services.mark_failure(mitigation_id=mitigation_id, is_answered=is_answered, now=now)


def without_details(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that decide, such as a code, a status or a time, without the provider's own
    words and numbers.
    """
    return {name: _bare(name, value) for name, value in arguments.items()}


def _bare(name: str, value: Any) -> Any:
    if isinstance(value, ProviderReport):
        return replace(
            value,
            mitigation_start=None,
            bytes_dropped=None,
            pkts_dropped=None,
            bps_dropped=None,
            pps_dropped=None,
            conflict=None,
        )
    return DETAILS.get(name, value)
