"""Writes of all sessions of a worker that share one statement."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from django.db import transaction

from portal.inventory import services as inventory
from portal.inventory.services import EmptyInventory
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services import Confirmation, Sending, Sent
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_fence import LeaseFence
from portal.signaling.store import session_status, session_statuses
from portal.signaling.store.grouped_call import GroupedCall
from portal.signaling.store.session_statuses import ReportedStatus
from portal.signaling.turns import Turns

Outcome = Sent | Confirmation

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request may be sent. `version`: of its row after that; None: unknown."""

    version: int | None = None


@dataclass(frozen=True, slots=True)
class Owned(Generic[T_co]):
    """What is saved only while `owner` has the lease that `fence` belongs to."""

    owner: str
    fence: LeaseFence
    subscription_id: UUID
    what: T_co


class GroupedWrites:
    """For all sessions of a worker."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._sendings = GroupedCall(self._record_sendings, Turns())
        # Groups of their own would skip each other's organizations, whose logs they lock.
        self._outcomes = GroupedCall(self._record_outcomes, Turns())
        self._sessions = GroupedCall(self._record_sessions)
        self._inventories = GroupedCall(self._record_inventories)
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

    async def record_sent(self, one: Owned[Sent]) -> bool:
        """Save that a request was sent; False if it has to be saved alone."""
        sent = one.what
        return sent in await self._outcomes(one)

    def drop_sent(self, mitigation_id: UUID) -> bool:
        """Do not save what still waits to be saved by `record_sent`, and cancel its caller. False
        if nothing waits.
        """

        def is_meant(one: Owned[Outcome]) -> bool:
            return isinstance(one.what, Sent) and one.what.mitigation_id == mitigation_id

        return self._outcomes.drop(is_meant)

    async def record_confirmation(self, row: Mitigation, one: Owned[Confirmation]) -> bool:
        """Save a plain confirmation, also in `row`; False if `record_confirmed` must decide."""
        version = (await self._outcomes(one)).get(one.what)
        if version is None:
            return False
        services.note_confirmed(row, one.what, version)
        return True

    async def record_session(self, one: Owned[ReportedStatus]) -> bool:
        """Save a session's status; False if it has to be saved alone."""
        return one.subscription_id in await self._sessions(one)

    async def record_inventory(self, one: Owned[EmptyInventory]) -> bool:
        """Save an answer that names nothing unknown; False if it has to be saved alone."""
        return one.subscription_id in await self._inventories(one)

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

    async def _record_outcomes(
        self, several: Sequence[Owned[Outcome]]
    ) -> Mapping[Outcome, int | None]:
        """The saved ones; confirmations with the new versions of their rows."""
        return ChainMap(*await self._threads.run(_save, _record_outcomes, several))

    async def _record_sessions(self, several: Sequence[Owned[ReportedStatus]]) -> set[UUID]:
        saved = await self._threads.run(_save, session_statuses.record_sessions, several)
        return set().union(*saved)

    async def _record_inventories(self, several: Sequence[Owned[EmptyInventory]]) -> set[UUID]:
        saved = await self._threads.run(_save, inventory.record_inventories, several)
        return set().union(*saved)


def _record_outcomes(several: Sequence[Outcome]) -> dict[Outcome, int | None]:
    sent = [one for one in several if isinstance(one, Sent)]
    confirmations = [one for one in several if isinstance(one, Confirmation)]
    known = services.record_several_sent(sent) if sent else set()
    versions = services.record_confirmations(confirmations) if confirmations else {}
    saved: dict[Outcome, int | None] = {one: None for one in sent if one.mitigation_id in known}
    return saved | {
        one: versions[one.mitigation_id] for one in confirmations if one.mitigation_id in versions
    }


def _save(save: Callable[[Sequence[T]], R], several: Sequence[Owned[T]]) -> list[R]:
    """What `save` returns for those that each owner still owns, in one transaction for each owner.
    Those of subscriptions that the worker does not own any more are not saved.
    """
    saved = []
    for owner in {one.owner for one in several}:
        own = [one for one in several if one.owner == owner]
        with transaction.atomic():
            owned = leases.still_owned(owner, {one.subscription_id for one in own})
            # The worker may own the subscription under a later lease than the session's.
            is_ours = [
                one.what for one in own if one.fence.is_open() and one.subscription_id in owned
            ]
            saved.append(save(is_ours))
    return saved
