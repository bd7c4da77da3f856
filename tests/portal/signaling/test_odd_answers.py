"""A real session with an odd server: the row gets the status, and the journal shows what could not
be read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import cbor2
import pytest
from aiocoap import Code
from channels.db import database_sync_to_async

from dots_client import Client, Server, connect
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import EventType
from portal.events.queries import of_mitigation
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.journal.wire_journal import WireJournal
from portal.signaling.leasing import database_clock as signaling_clock
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.reports.ledger import Ledger
from portal.signaling.reports.status_reports import StatusReports
from portal.signaling.store.fenced_store import FencedStore
from portal.wire.models import Direction, WireMessage
from portal.wording.refusals import refusal_sentence
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import CUID, SETTINGS, Provider, answer, serving
from tests.dots_client.codec.odd import Pairs, Raw, encode
from tests.portal.leased import lease_to

pytestmark = pytest.mark.django_db(transaction=True)

OWNER = "me"
NUL = "a\0b\n\u202e"
T = TypeVar("T")


@pytest.fixture
def mitigation(
    alice: User, acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> Mitigation:
    lease_to(OWNER, acme_northgate)
    submission = Submission(prefixes=("203.0.113.7/32",))
    asked = services.submit(organization=acme, actor=Actor.person(alice), submission=submission)
    mitigation = asked.mitigations.get()
    services.record_sending(mitigation_id=mitigation.pk, now=signaling_clock.now())
    return mitigation


class Scene:
    """One subscription's session with a scripted provider."""

    def __init__(
        self,
        provider: Provider,
        client: Client,
        actions: MitigationActions,
        journal: WireJournal,
        ledger: Ledger,
    ) -> None:
        self.provider = provider
        self.client = client
        self.actions = actions
        self.reports = StatusReports(actions.store, ledger)
        self.journal = journal

    def says(self, code: Code, body: Any, **options: Any) -> None:
        payload = body if isinstance(body, bytes) else encode(body)
        self.provider.script.append(answer(code, payload, content_format=271, **options))


@asynccontextmanager
async def scene_with(mitigation: Mitigation, threads: DatabaseThreads) -> AsyncIterator[Scene]:
    authority, provider, journal = Authority(), Provider(), WireJournal(threads)
    actions = MitigationActions(
        FencedStore(
            subscription_id=mitigation.subscription_id,
            owner=OWNER,
            threads=threads,
            fence=LeaseFence(asked_at=boottime()),
        ),
        on_cuid_replaced=lambda: None,
    )
    async with (
        serving(authority, provider) as server,
        connect(
            Server("provider.example", "127.0.0.1", server.port),
            authority.client(),
            cuid=CUID,
            settings=SETTINGS,
            on_wire=journal.recorder(mitigation.subscription_id).tap,
        ) as client,
    ):
        yield Scene(provider, client, actions, journal, Ledger(threads))


async def read(call: Callable[[], T]) -> T:
    result: T = await database_sync_to_async(call)()
    return result


async def row(mitigation: Mitigation) -> Mitigation:
    return await read(lambda: Mitigation.objects.select_related("request").get(pk=mitigation.pk))


def report(mid: int, *odd: tuple[Any, Any], status: int = 2) -> Pairs:
    return Pairs([(1, Pairs([(2, [Pairs([(5, mid), (16, status), *odd])])]))])


ODD: dict[str, list[tuple[Any, Any]]] = {
    "a lifetime of null": [(14, None)],
    "a start as text": [(15, "soon")],
    "a fraction": [(26, 12.5)],
    "a negative counter": [(25, -1)],
    "a bignum": [(27, Raw(cbor2.dumps(2**80)))],
    "an unknown key": [(60, 1)],
    "a key of text": [("lifetime", 60)],
    "a conflict of text": [(17, "clash")],
    "a text that is not UTF-8": [(6, [Raw(b"\x62\xff\x61")])],
    "a key that occurs twice": [(14, 60), (14, 61)],
}


@pytest.mark.parametrize("odd", list(ODD), ids=list(ODD))
async def test_the_status_reaches_the_row_despite_any_odd_attribute(
    mitigation: Mitigation, threads: DatabaseThreads, odd: str
) -> None:
    async with scene_with(mitigation, threads) as scene:
        scene.says(Code.CONTENT, report(mitigation.mid, *ODD[odd]))
        await scene.reports.poll(scene.client, mitigation)
    while await scene.journal.flush():
        continue

    shown = await row(mitigation)
    assert (shown.status, shown.dots_status) == ("mitigating", 2)
    message = await read(lambda: WireMessage.objects.get(direction=Direction.RECEIVED, code="2.05"))
    assert bool(message.not_read) == (odd != "a lifetime of null")


async def test_an_unknown_status_is_shown_with_its_number(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    async with scene_with(mitigation, threads) as scene:
        for status in (2, 9, 9):
            scene.says(Code.CONTENT, report(mitigation.mid, status=status))
            await scene.reports.poll(scene.client, await row(mitigation))

    shown = await row(mitigation)
    assert (shown.status, shown.dots_status, shown.unknown_report) == ("mitigating", 9, 9)
    events = await read(
        lambda: [
            one.data
            for one in of_mitigation(mitigation.pk, EventType.MITIGATION_STATUS).order_by("seq")
        ]
    )
    assert [one.get("unknown") for one in events] == [None, 9]


async def test_any_status_replaces_a_lost_acceptance(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    async with scene_with(mitigation, threads) as scene:
        scene.says(Code.CONTENT, report(mitigation.mid, status=77))
        await scene.reports.poll(scene.client, mitigation)

    shown = await row(mitigation)
    assert (shown.status, shown.dots_status) == ("in_progress", 77)


async def test_a_code_that_neither_accepts_nor_refuses_grants_nothing(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    async with scene_with(mitigation, threads) as scene:
        scene.says(Code.CONTINUE, b"")
        is_held = await scene.actions.perform(scene.client, mitigation, Action.REQUEST)

    shown = await row(mitigation)
    assert not is_held
    assert (shown.status, shown.refusal_code, shown.confirmed_at) == ("pending", "2.31", None)
    assert shown.retry_at is not None
    words = refusal_sentence("Northgate", code="2.31")
    assert words == "It answered with code 2.31, which neither accepts nor refuses."


def conflict(mid: int) -> tuple[int, Pairs]:
    scope = Pairs([(5, mid), (6, [NUL, "203.0.113.7/32"]), (22, [Pairs([(23, NUL), (24, NUL)])])])
    return 17, Pairs([(18, 77), (19, 99), (20, 60), (21, scope)])


# PostgreSQL refuses NUL in text and in JSON; SQLite accepts it.
async def test_an_answer_with_a_nul_anywhere_is_saved(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    answers = [
        (Code.CONFLICT, Pairs([(1, Pairs([(2, [Pairs([conflict(9)])])]))])),
        (Code.CONFLICT, Pairs([(1, Pairs([(2, [Pairs([conflict(mitigation.mid)])])]))])),
        (Code.BAD_REQUEST, NUL.encode()),
        (Code.SERVICE_UNAVAILABLE, NUL.encode()),
        (Code.SERVICE_UNAVAILABLE, Pairs([(46, Pairs([(47, NUL), (48, [NUL])]))])),
        (Code.INTERNAL_SERVER_ERROR, NUL.encode()),
        (Code.HOP_LIMIT_REACHED, NUL.encode()),
        (
            Code.CREATED,
            report(mitigation.mid, conflict(mitigation.mid), (6, [NUL]), (13, [NUL]), (NUL, NUL)),
        ),
    ]
    async with scene_with(mitigation, threads) as scene:
        for code, body in answers:
            scene.says(code, body, location_path=["x\0"], uri_query=["c=\0"])
            await scene.actions.perform(scene.client, await row(mitigation), Action.REQUEST)
        scene.says(
            Code.CONTENT, report(mitigation.mid, conflict(mitigation.mid), (6, [NUL]), (23, NUL))
        )
        await scene.reports.poll(scene.client, await row(mitigation))
    while await scene.journal.flush():
        continue

    shown = await row(mitigation)
    assert shown.conflict is not None
    assert (shown.status, shown.conflict.accept_lists) == ("mitigating", ("a b",))
    assert shown.conflict.cause == 99
    kept = await read(lambda: list(WireMessage.objects.filter(direction=Direction.RECEIVED)))
    assert {one.code for one in kept} >= {"4.09", "4.00", "5.03", "5.00", "5.08", "2.01", "2.05"}
    texts = [text for one in kept for text in (one.path, one.options, one.body, one.not_read)]
    assert not any("\0" in text or "\\u0000" in text for text in texts)
