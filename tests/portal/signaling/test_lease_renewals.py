"""Renewals beside a busy event loop, an empty connection pool, and a server that hangs up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections

from portal.providers.models import Subscription
from portal.signaling.leasing import lease_renewals, leases
from portal.signaling.leasing.lease_fence import LEASE, LeaseFence, boottime
from portal.signaling.leasing.lease_renewals import LOOP_HANGS_AFTER_S, LeaseRenewals
from portal.signaling.repeated_call import RepeatedCall
from tests.portal.signaling.session_managers import db

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_S = 30.0


@pytest.fixture
def _pool_of_one(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django's connections of new threads come from a pool whose only connection is taken."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no pool")
    # Other fixtures use this thread's connection, which is none of the pool.
    connection.ensure_connection()
    options = connections.settings["default"]["OPTIONS"]
    monkeypatch.setitem(options, "pool", {"min_size": 1, "max_size": 1, "timeout": 3.0})
    with ThreadPoolExecutor(1) as holder:
        holder.submit(_connect).result(WITHIN_S)
        yield
        holder.submit(_disconnect).result(WITHIN_S)


def _connect() -> None:
    connection.ensure_connection()


def _disconnect() -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL only


@pytest.mark.usefixtures("_pool_of_one")
async def test_neither_a_blocked_loop_nor_an_empty_pool_delays_a_renewal(
    acme_northgate: Subscription,
) -> None:
    with ThreadPoolExecutor(1) as other, pytest.raises(OperationalError):
        other.submit(_connect).result(WITHIN_S)
    old = boottime() - 5.0
    fences: dict[UUID, LeaseFence] = {}
    renewals = LeaseRenewals("here", fences=lambda: fences)
    extended = threading.Event()

    def renew() -> None:
        renewals.renew()
        if fences:
            extended.set()
        else:
            leases.claim(renewals.owner, [acme_northgate.pk])
            fences[acme_northgate.pk] = LeaseFence(asked_at=old)

    renewing = RepeatedCall(renew, every_s=0.01, name="renewal")
    renewing.start()
    # Blocks the loop of this test.
    assert extended.wait(WITHIN_S)
    await renewing.stop()

    assert renewals.last is not None
    assert renewals.last.asked_at > old
    assert renewals.last.leases.kept == {acme_northgate.pk}


async def test_a_call_after_a_broken_connection_has_a_new_one() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    done = threading.Event()
    servers: list[int] = []

    def call() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            servers.append(cursor.fetchone()[0])
            if len(servers) == 3:
                done.set()
            elif len(servers) == 2:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    calling = RepeatedCall(call, every_s=0.0, name="call")
    calling.start()
    assert done.wait(WITHIN_S)
    await calling.stop()

    first, second, third, *_ = servers
    assert first == second, "the connection is kept between calls"
    assert second != third


async def test_a_worker_whose_loop_hangs_lets_its_leases_expire(
    acme_northgate: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_s = 0.0
    monkeypatch.setattr(lease_renewals, "boottime", lambda: boottime() + ahead_s)
    renewals = LeaseRenewals("here", fences=dict)
    await db(renewals.renew)
    first = renewals.last

    ahead_s = LOOP_HANGS_AFTER_S + 1.0
    await db(renewals.renew)
    assert renewals.last is first

    renewals.loop_is_alive()
    await db(renewals.renew)
    assert renewals.last is not first
    assert LEASE.total_seconds() < LOOP_HANGS_AFTER_S, "a loop may be busy for longer than a lease"
