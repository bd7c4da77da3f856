"""What each session reads when it opens, for all sessions of a worker that open at the same time: a
worker that starts opens a thousand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from portal.core.errors import SecretUnreadable
from portal.inventory import queries
from portal.inventory.models import UnknownMitigation
from portal.providers.models import Subscription
from portal.signaling import connection_settings
from portal.signaling.connection_settings import ConnectionSettings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.store.grouped_call import GroupedCall


class GroupedReads:
    """For all sessions of a worker."""

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads
        self._settings = GroupedCall(self._load_settings)
        self._unknown = GroupedCall(self._open_unknown)

    async def settings(self, subscription_id: UUID) -> ConnectionSettings:
        """The settings in the rows now. Raises SecretUnreadable and Subscription.DoesNotExist."""
        loaded = (await self._settings(subscription_id)).get(subscription_id)
        if loaded is None:
            raise Subscription.DoesNotExist
        if isinstance(loaded, SecretUnreadable):
            raise loaded
        return loaded

    async def open_unknown(self, subscription_id: UUID) -> list[UnknownMitigation]:
        """Unknown mitigations that the provider held at its last report."""
        return (await self._unknown(subscription_id)).get(subscription_id, [])

    async def _load_settings(
        self, subscription_ids: Sequence[UUID]
    ) -> dict[UUID, ConnectionSettings | SecretUnreadable]:
        return await self._threads.run(connection_settings.load_several, subscription_ids)

    async def _open_unknown(
        self, subscription_ids: Sequence[UUID]
    ) -> dict[UUID, list[UnknownMitigation]]:
        rows = await self._threads.run(queries.open_unknown, subscription_ids)
        by_subscription: defaultdict[UUID, list[UnknownMitigation]] = defaultdict(list)
        for row in rows:
            by_subscription[row.subscription_id].append(row)
        return by_subscription
