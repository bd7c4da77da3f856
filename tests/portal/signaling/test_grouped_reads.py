"""What several sessions read when they open, with one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast
from uuid import uuid4

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from portal.core.errors import SecretUnreadable
from portal.core.targets import ReportedTargets
from portal.inventory.models import UnknownMitigation
from portal.providers.models import Subscription
from portal.signaling.connection_settings import load_connection_settings
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.store.fenced_store import FencedStore
from portal.signaling.store.grouped_reads import GroupedReads

T = TypeVar("T")


class TestsOwnThread:
    """Its connection has the rows that the test wrote."""

    async def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(call)(*args, **kwargs)


def read_at_once(
    read: Callable[[FencedStore], Awaitable[T]], *subscriptions: Subscription
) -> list[T | BaseException]:
    """As the sessions of these subscriptions that open at the same time."""
    threads = cast(DatabaseThreads, TestsOwnThread())
    reads = GroupedReads(threads)
    stores = [
        FencedStore(
            subscription_id=one.pk,
            owner="here",
            threads=threads,
            fence=LeaseFence(asked_at=boottime()),
            reads=reads,
        )
        for one in subscriptions
    ]

    async def read_all() -> list[T | BaseException]:
        return await asyncio.gather(*map(read, stores), return_exceptions=True)

    return async_to_sync(read_all)()


def test_sessions_that_open_at_the_same_time_read_their_settings_with_one_statement(
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(1):
        read = read_at_once(FencedStore.load_settings, acme_northgate, acme_tidewall)

    assert read == [load_connection_settings(one.pk) for one in (acme_northgate, acme_tidewall)]


def test_a_key_that_cannot_be_read_and_a_missing_row_fail_alone(
    acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    Subscription.objects.filter(pk=acme_northgate.pk).update(private_key=b"sealed elsewhere")

    unreadable, missing, read = read_at_once(
        FencedStore.load_settings, acme_northgate, Subscription(pk=uuid4()), acme_tidewall
    )

    assert isinstance(unreadable, SecretUnreadable)
    assert isinstance(missing, Subscription.DoesNotExist)
    assert read == load_connection_settings(acme_tidewall.pk)


def test_a_row_that_cannot_be_understood_fails_alone(
    acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE providers_provider SET transports = '{}' WHERE id = %s",
            [acme_northgate.provider_id],
        )

    failed, read = read_at_once(FencedStore.load_settings, acme_northgate, acme_tidewall)

    assert isinstance(failed, Exception)
    assert read == load_connection_settings(acme_tidewall.pk)


def test_each_session_gets_its_own_unknown_mitigations_with_one_statement(
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    held = UnknownMitigation.objects.create(
        organization=acme_northgate.organization,
        subscription=acme_northgate,
        cuid=acme_northgate.cuid,
        mid=7,
        targets=ReportedTargets(prefixes=("203.0.113.0/26",)),
        found_at=timezone.now(),
        reported_at=timezone.now(),
    )

    with django_assert_num_queries(1):
        own, other = read_at_once(FencedStore.open_unknown, acme_northgate, acme_tidewall)

    assert [one.pk for one in cast(list[UnknownMitigation], own)] == [held.pk]
    assert other == []
