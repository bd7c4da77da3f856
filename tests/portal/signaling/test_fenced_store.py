"""What a worker writes, and how long it waits, when another worker may already own the
subscription.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import uuid4

import pytest
from django.db import OperationalError

from dots_client import SessionClosed
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing import leases
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.store.fenced_store import FencedStore
from tests.portal.signaling.virtual_time import virtual_time


class Rows:
    """A database whose calls have the outcomes `fates`, in this order."""

    def __init__(self, *fates: object) -> None:
        self.fates = list(fates)
        self.calls: list[Callable[..., Any]] = []

    async def run(self, call: Callable[..., Any], *_args: Any, **_kwargs: Any) -> Any:
        self.calls.append(call.func if isinstance(call, partial) else call)
        fate = self.fates.pop(0)
        if isinstance(fate, Exception):
            raise fate
        return fate


class InlineThreads:
    async def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)


def store_on(rows: Rows) -> tuple[FencedStore, LeaseFence]:
    fence = LeaseFence(asked_at=boottime())
    return (
        FencedStore(
            subscription_id=uuid4(),
            owner="me",
            threads=cast(DatabaseThreads, rows),
            fence=fence,
        ),
        fence,
    )


@virtual_time
async def test_a_write_waits_for_the_database() -> None:
    rows = Rows(OperationalError("gone"), OperationalError("gone"), "written")
    store, _fence = store_on(rows)

    assert await store.write(str) == "written"
    assert set(rows.calls) == {leases.write_as_owner}


async def test_a_write_by_a_former_owner_closes_the_fence() -> None:
    store, fence = store_on(Rows(leases.NotOwner()))

    with pytest.raises(SessionClosed):
        await store.write(str)
    assert not fence.is_open()


async def test_a_write_that_begins_after_its_session_ended_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same worker may have claimed the subscription again meanwhile."""
    store, fence = store_on(cast(Rows, InlineThreads()))

    def after_the_end(_subscription: object, _owner: str, call: Callable[[], Any]) -> Any:
        fence.close()
        return call()

    monkeypatch.setattr(leases, "write_as_owner", after_the_end)
    written: list[int] = []

    with pytest.raises(SessionClosed):
        await store.write(written.append, 1)

    assert written == []


async def test_nothing_is_written_once_the_fence_is_closed() -> None:
    rows = Rows(OperationalError("gone"))
    store, fence = store_on(rows)
    fence.close()

    with pytest.raises(SessionClosed):
        await store.write(str)
    assert rows.calls == []
