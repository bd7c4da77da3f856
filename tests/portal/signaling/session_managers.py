"""A session manager with real rows and a real session with a DOTS server on the
loopback interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

from channels.db import database_sync_to_async

from dots_client import Client, Credentials
from portal.core import secrets
from portal.providers.models import Provider as ProviderRow
from portal.providers.models import Subscription
from portal.signaling.book import Book
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal.wire_recorder import SharedCapacity, WireRecorder
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.reports.ledger import Ledger
from portal.signaling.sessions.opening_turns import OpeningTurns
from portal.signaling.sessions.session_manager import SessionManager
from portal.signaling.store.grouped_reads import GroupedReads
from portal.signaling.store.grouped_writes import GroupedWrites
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import REPEATING
from tests.portal.leased import lease_to

ME: Final = "me"
RENEW_S: Final = 1.0
LOOK_S: Final = 0.02
T = TypeVar("T")


async def db(call: Callable[[], T]) -> T:
    return await database_sync_to_async(call)()


def point_to(
    subscription: Subscription, port: int, authority: Authority, credentials: Credentials
) -> None:
    """Point the rows to a test's server."""
    ProviderRow.objects.filter(pk=subscription.provider_id).update(
        host="127.0.0.1",
        port=port,
        server_name="provider.example",
        transports=["dtls"],
        trust_anchors=authority.pem.decode(),
    )
    certify(subscription, credentials)
    lease_to(ME, subscription)


def certify(subscription: Subscription, credentials: Credentials) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(
        certificate_chain=credentials.certificate_chain.decode(),
        private_key=secrets.encrypt(credentials.private_key),
    )


@asynccontextmanager
async def running_manager(
    subscription: Subscription, threads: DatabaseThreads
) -> AsyncIterator[SessionManager]:
    """Run the session manager as a worker does, renewing the lease meanwhile."""
    fence = LeaseFence(asked_at=boottime())
    manager = SessionManager(
        subscription_id=subscription.pk,
        owner=ME,
        threads=threads,
        ledger=Ledger(threads),
        book=Book(threads),
        grouped=GroupedWrites(threads),
        reads=GroupedReads(threads),
        turns=OpeningTurns(),
        recorder=WireRecorder(SharedCapacity(1000)),
        settings=replace(REPEATING, heartbeat_interval_s=0.2, reads_configuration=True),
        fence=fence,
    )

    async def renew() -> None:
        while True:
            fence.extend(asked_at=boottime())
            await asyncio.sleep(RENEW_S)

    tasks = [asyncio.create_task(manager.run()), asyncio.create_task(renew())]
    try:
        yield manager
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def client_of(manager: SessionManager) -> Client | None:
    return None if manager.session is None else manager.session.client


async def row_of(subscription: Subscription) -> Subscription:
    def read() -> Subscription:
        return Subscription.objects.select_related("provider").get(pk=subscription.pk)

    return await db(read)


async def until_row(
    subscription: Subscription, condition: Callable[[Subscription], Any], *, within_s: float = 5.0
) -> Subscription:
    """Wait until the row fulfils the condition; return it."""
    async with asyncio.timeout(within_s):
        while not condition(row := await row_of(subscription)):  # noqa: ASYNC110  # no event in a database
            await asyncio.sleep(LOOK_S)
    return row
