"""The notice worker dies with -9 at the worst moments: no notice is lost, what comes twice has the
same message id, and the notices of a thread keep their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any, Final

import psycopg
import pytest

from tests.integration.stack import Api, NewStack, Stack, control, wait_for
from tests.portal.notifications.channels.http_receiver import HttpReceiver, running

ApiAs = Callable[[str], Api]
KINDS: Final = ["request.sent", "request.accepted"]
HELD_FOR_S: Final = 60
"""At most; a test lets the answer go before."""
_numbers: Final = count(1)


@dataclass
class Receiver:
    """A web server that answers as soon as it may."""

    http: HttpReceiver
    may_answer: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.may_answer.wait(HELD_FOR_S)
        # The worker that asked may be dead.
        with suppress(ConnectionError):
            handler.send_response(200)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    def about(self, request_id: str) -> list[tuple[str, str]]:
        """Kind and message id of each call about a request, in the order of their arrival."""
        calls = [(one.headers["webhook-id"], one.json) for one in list(self.http.got)]
        return [
            (body["type"], message_id)
            for message_id, body in calls
            if body["data"]["event"].get("request") == request_id
        ]


@pytest.fixture(scope="module")
def stack(new_stack: NewStack) -> Iterator[Stack]:
    """One for all tests of this file, with a notice worker."""
    own = {"PORTAL_NOTICE_NETWORKS": "127.0.0.0/8"}
    with new_stack("notices", without=(), environment=own) as stack:
        for provider in ("northgate", "tidewall"):
            behaviour = {"accept": "always", "status_delay_s": 0.2, "attack_ends_after_s": None}
            control(stack, provider, "/behaviour", behaviour)
        yield stack


@pytest.fixture(scope="module")
def receivers(stack: Stack, api_as: ApiAs) -> Iterator[list[Receiver]]:
    """Two channels of acme."""
    with ExitStack() as servers:
        found = [Receiver(servers.enter_context(running())) for _ in range(2)]
        for number, one in enumerate(found):
            one.http.act = one.answer
            body = {
                "kind": "webhook",
                "name": f"Receiver {number}",
                "values": {"url": f"{one.http.url}/hook"},
            }
            api_as("alice").post("organizations/acme/channels", body)
        yield found
        for one in found:
            one.may_answer.set()


@dataclass(frozen=True)
class World:
    stack: Stack
    api: Api
    receivers: list[Receiver]
    database: psycopg.Connection[Any]

    def ask(self) -> str:
        """A new request, about which each receiver gets two notices."""
        target = f"203.0.113.{next(_numbers)}/32"
        body = {"targets": {"prefixes": [target]}}
        made: str = self.api.post("organizations/acme/mitigation-requests", body)["id"]
        return made

    def arrived(self, request_id: str) -> list[tuple[str, str]]:
        return [call for one in self.receivers for call in one.about(request_id)]

    def until_the_worker_waits_for_a_lock(self) -> None:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE '%notifications_notice%'"
        )
        with psycopg.connect(self.stack.database_url, autocommit=True) as other:
            wait_for(lambda: other.execute(waiting).fetchone() != (0,))

    def kill(self) -> None:
        self.stack["notices"].kill()

    def states(self, request_id: str) -> list[tuple[str, int, bool]]:
        """State, tries, and whether a worker has claimed it, of each notice about a request."""
        return self.database.execute(
            "SELECT state, tries, claim IS NOT NULL FROM notifications_notice"
            " WHERE request_id = %s",
            [request_id],
        ).fetchall()


@pytest.fixture
def world(stack: Stack, api_as: ApiAs, receivers: list[Receiver]) -> Iterator[World]:
    for one in receivers:
        one.may_answer.clear()
    with psycopg.connect(stack.database_url, autocommit=True) as database:
        yield World(stack, api_as("alice"), receivers, database)


def while_it_writes_them(world: World) -> str:
    """It has read the event, and has not saved the notices."""
    with world.database.transaction():
        world.database.execute("LOCK TABLE notifications_notice IN EXCLUSIVE MODE")
        request_id = world.ask()
        world.until_the_worker_waits_for_a_lock()
        world.kill()
    assert world.arrived(request_id) == []
    return request_id


def between_claim_and_delivery(world: World) -> str:
    """It has claimed one notice of each receiver, and waits for the first one's answer."""
    request_id = world.ask()
    wait_for(lambda: world.arrived(request_id))
    assert {("queued", 0, True), ("queued", 1, True)} <= set(world.states(request_id))
    world.kill()
    assert len(world.arrived(request_id)) == 1
    return request_id


def before_it_saves_the_answer(world: World) -> str:
    """A receiver has the notice and has answered."""
    request_id = world.ask()
    [(_, message_id)] = wait_for(lambda: world.arrived(request_id))
    with world.database.transaction():
        own = "SELECT 1 FROM notifications_notice WHERE message_id = %s FOR UPDATE"
        world.database.execute(own, [message_id])
        for one in world.receivers:
            one.may_answer.set()
        world.until_the_worker_waits_for_a_lock()
        world.kill()
    return request_id


@pytest.mark.parametrize(
    ("dies", "repeated"),
    [
        (while_it_writes_them, 0),
        (between_claim_and_delivery, 1),
        (before_it_saves_the_answer, 1),
    ],
)
def test_a_killed_notice_worker_loses_nothing(
    world: World, dies: Callable[[World], str], repeated: int
) -> None:
    request_id = dies(world)
    for one in world.receivers:
        one.may_answer.set()
    # The claim of the dead worker ends.
    world.database.execute(
        "UPDATE notifications_notice SET next_try_at = now() WHERE next_try_at > now()"
    )
    world.stack["notices"].start()
    world.stack["notices"].wait_until_ready()

    wait_for(lambda: [state for state, *_ in world.states(request_id)] == ["sent"] * 4, within_s=60)

    for one in world.receivers:
        calls = one.about(request_id)
        kinds = [kind for kind, _ in calls]
        assert list(dict.fromkeys(kinds)) == KINDS, "in order, and none is lost"
        assert kinds == sorted(kinds, key=KINDS.index)
        assert len(set(calls)) == len({message_id for _, message_id in calls}) == len(KINDS)
    assert len(world.arrived(request_id)) == len(world.receivers) * len(KINDS) + repeated
