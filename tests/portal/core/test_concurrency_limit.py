from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse

from portal import env
from portal.core import concurrency_limit
from portal.core.asgi_types import Application
from portal.core.concurrency_limit import ConcurrencyLimit, with_concurrency_limits


class Views:
    """Answers on command; records how many ran at the same time."""

    def __init__(self) -> None:
        self.at_work = 0
        self.most_at_work = 0
        self.go_on = asyncio.Event()

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive()).get("more_body"):
            continue
        if message["type"] == "http.disconnect":
            return
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.go_on.wait()
        finally:
            self.at_work -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Call:
    def __init__(
        self,
        application: Application,
        *parts: dict[str, Any],
        method: str = "GET",
        path: str = "/",
        address: str = "192.0.2.1",
    ) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.more: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for part in parts or ({"type": "http.request", "body": b""},):
            self.more.put_nowait(part)
        self.task = asyncio.ensure_future(
            application(
                {"method": method, "path": path, "client": (address, 1)}, self.more.get, self.send
            )
        )

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])


@pytest.fixture
async def views() -> Views:
    return Views()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_running_requests_never_exceed_the_limit_and_the_others_wait(views: Views) -> None:
    application = ConcurrencyLimit(views, max_concurrent=2)
    calls = [Call(application) for _ in range(10)]
    await settle()
    assert views.at_work == 2

    views.go_on.set()
    await asyncio.gather(*(call.task for call in calls))

    assert views.most_at_work == 2
    assert {call.status for call in calls} == {200}


async def test_a_slow_body_occupies_no_slot(views: Views) -> None:
    application = ConcurrencyLimit(views, max_concurrent=1)
    slow = Call(application, {"type": "http.request", "body": b"x", "more_body": True})
    await settle()
    quick = Call(application)
    views.go_on.set()
    await asyncio.wait_for(quick.task, 5)

    slow.more.put_nowait({"type": "http.request", "body": b""})
    await asyncio.wait_for(slow.task, 5)
    assert (quick.status, slow.status) == (200, 200)


async def test_a_cancelled_call_frees_its_slot(views: Views) -> None:
    application = ConcurrencyLimit(views, max_concurrent=1)
    gone = [Call(application) for _ in range(3)]
    await settle()
    for call in gone:
        call.task.cancel()
    await asyncio.gather(*(call.task for call in gone), return_exceptions=True)

    views.go_on.set()
    again = Call(application)
    await asyncio.wait_for(again.task, 5)
    assert again.status == 200


async def test_a_request_beyond_the_queue_is_refused_immediately(views: Views) -> None:
    application = ConcurrencyLimit(views, max_concurrent=1, max_waiting=2)
    waiting = [Call(application) for _ in range(3)]
    await settle()

    one_too_many = Call(application)
    await asyncio.wait_for(one_too_many.task, 5)

    assert one_too_many.status == 503
    assert one_too_many.headers[b"retry-after"] == b"5"
    views.go_on.set()
    await asyncio.gather(*(call.task for call in waiting))


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/auth/token"])
async def test_a_flood_of_sign_ins_leaves_slots_for_signed_in_users(
    views: Views, path: str
) -> None:
    application = with_concurrency_limits(views)
    flood = [
        Call(application, method="POST", path=path, address=f"192.0.2.{number}")
        for number in range(concurrency_limit.MAX_CONCURRENT * 3)
    ]
    await settle()
    assert views.at_work == concurrency_limit.MAX_CONCURRENT_PASSWORDS

    pages = [Call(application) for _ in range(concurrency_limit.MAX_CONCURRENT)]
    await settle()

    assert views.at_work == concurrency_limit.MAX_CONCURRENT
    views.go_on.set()
    await asyncio.gather(*(call.task for call in (*flood, *pages)))
    assert {call.status for call in (*flood, *pages)} == {200}


async def test_a_flood_of_alerts_leaves_slots_for_people(views: Views) -> None:
    application = with_concurrency_limits(views)
    path = reverse("api:receive-alerts", args=[uuid4()])
    flood = [
        Call(application, method="POST", path=path)
        for _ in range(concurrency_limit.MAX_ALERTS_WAITING_PER_NETWORK)
    ]
    await settle()
    assert views.at_work == concurrency_limit.MAX_CONCURRENT_ALERTS

    pages = [
        Call(application)
        for _ in range(concurrency_limit.MAX_CONCURRENT - concurrency_limit.MAX_CONCURRENT_ALERTS)
    ]
    await settle()

    assert views.at_work == concurrency_limit.MAX_CONCURRENT
    views.go_on.set()
    await asyncio.gather(*(call.task for call in (*flood, *pages)))
    assert {call.status for call in (*flood, *pages)} == {200}


async def test_waiting_alerts_are_bounded_per_network(views: Views) -> None:
    application = with_concurrency_limits(views)
    path = f"{concurrency_limit.ALERTS_PATH}x"
    most = (
        concurrency_limit.MAX_CONCURRENT_ALERTS + concurrency_limit.MAX_ALERTS_WAITING_PER_NETWORK
    )
    flood = [Call(application, method="POST", path=path) for _ in range(most)]
    await settle()

    one_too_many = Call(application, method="POST", path=path)
    await asyncio.wait_for(one_too_many.task, 5)
    elsewhere = Call(application, method="POST", path=path, address="198.51.100.1")
    await settle()

    assert one_too_many.status == 503
    views.go_on.set()
    await asyncio.gather(elsewhere.task, *(call.task for call in flood))
    assert elsewhere.status == 200


async def test_waiting_sign_ins_have_their_own_bound(views: Views) -> None:
    application = with_concurrency_limits(views)
    first = concurrency_limit.MAX_CONCURRENT_PASSWORDS + concurrency_limit.MAX_PASSWORDS_WAITING
    flood = [
        Call(application, method="POST", path="/sign-in", address=f"192.0.2.{number}")
        for number in range(first)
    ]
    await settle()

    one_too_many = Call(application, method="POST", path="/sign-in")
    await asyncio.wait_for(one_too_many.task, 5)

    assert one_too_many.status == 503
    views.go_on.set()
    await asyncio.gather(*(call.task for call in flood))


@pytest.mark.parametrize("beginning", [b"", b"x"], ids=["at once", "heads first"])
async def test_sign_ins_from_one_network_leave_slots_for_other_networks(
    views: Views, beginning: bytes
) -> None:
    application = with_concurrency_limits(views)
    first: tuple[dict[str, Any], ...] = (
        ({"type": "http.request", "body": beginning, "more_body": True},) if beginning else ()
    )
    flood = [
        Call(application, *first, method="POST", path="/sign-in", address=f"2001:db8::{number}")
        for number in range(concurrency_limit.MAX_PASSWORDS_WAITING * 2)
    ]
    await settle()
    for call in flood if beginning else ():
        call.more.put_nowait({"type": "http.request", "body": b""})
    await settle()

    refused = [call for call in flood if call.task.done()]
    taken = (
        concurrency_limit.MAX_CONCURRENT_PASSWORDS
        + concurrency_limit.MAX_PASSWORDS_WAITING_PER_NETWORK
    )
    assert len(refused) == len(flood) - taken
    assert {call.status for call in refused} == {503}
    elsewhere = Call(application, method="POST", path="/sign-in", address="2001:db8:0:1::1")
    views.go_on.set()
    await asyncio.gather(elsewhere.task, *(call.task for call in flood))
    assert elsewhere.status == 200
    again = Call(application, method="POST", path="/sign-in", address="2001:db8::1")
    await asyncio.wait_for(again.task, 5)
    assert again.status == 200


def test_database_connections_remain_for_sockets(tmp_path: Path) -> None:
    database = env.database("postgresql://db.example/portal", default_path=tmp_path, prepares=True)

    assert database["OPTIONS"]["pool"]["max_size"] > concurrency_limit.MAX_CONCURRENT
