"""Requests that the portal cannot send and answers that it cannot save, with a real session, store
and database.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiocoap import Code
from channels.db import database_sync_to_async
from django.utils import timezone

from dots_client import Client, ClientSettings, MitigationReport, MitigationStatus
from dots_client.codec import encode_reports
from portal import wording
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.targets import Targets
from portal.events.models import Event
from portal.mitigations import queries, services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import NOT_SENDABLE
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.signaling.actions.mitigation_actions import MitigationActions
from portal.signaling.actions.next_action import Action
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.leasing.lease_fence import LeaseFence, boottime
from portal.signaling.store.fenced_store import FencedStore, NotSaved
from portal.wording.from_rows.events import event_facts, subjects_of
from portal.wording.from_rows.mitigations import mitigation_facts
from tests.dots_client.authority import Authority
from tests.dots_client.client.provider import (
    REPEATING,
    SETTINGS,
    Provider,
    answer,
    in_session,
    silence,
)
from tests.portal.leased import lease_to

pytestmark = pytest.mark.django_db(transaction=True)

TWICE_80 = [{"lower": 80, "upper": 80}, {"lower": 80, "upper": 90}]
"""From before the portal checked requests by the rules of the client."""
TOO_LONG = {"prefixes": [], "fqdns": [], "uris": [f"https://a.example/{'x' * 1200}"]}
UNREADABLE = {"prefixes": ["203.0.113.7/24"]}
OWNER = "me"
in_database = database_sync_to_async


@pytest.fixture
def mitigation(
    alice: User,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> Mitigation:
    """alice asked Northgate, then Tidewall, for one address."""
    submission = Submission(prefixes=("203.0.113.7/32",))
    services.submit(organization=acme, actor=Actor.person(alice), submission=submission)
    lease_to(OWNER, acme_northgate, acme_tidewall)
    return again()


def again(provider: str = "Northgate") -> Mitigation:
    mitigations = Mitigation.objects.select_related("request", "subscription__provider")
    return mitigations.get(subscription__provider__short_name=provider)


def card(provider: str = "Northgate") -> str:
    """The text of a provider's card."""
    mitigation, now = again(provider), timezone.now()
    return " ".join(wording.tell(mitigation_facts(mitigation), now))


def assert_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    [entry] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert entry.levelno == logging.ERROR
    assert entry.exc_info


def sent_events() -> int:
    return Event.objects.filter(type="mitigation.sent").count()


@asynccontextmanager
async def acting(
    mitigation: Mitigation, threads: DatabaseThreads, settings: ClientSettings = SETTINGS
) -> AsyncIterator[tuple[MitigationActions, Client, Provider]]:
    actions = MitigationActions(
        FencedStore(
            subscription_id=mitigation.subscription_id,
            owner=OWNER,
            threads=threads,
            fence=LeaseFence(asked_at=boottime()),
        ),
        on_cuid_replaced=lambda: None,
    )
    async with in_session(Authority(), settings) as scene:
        yield actions, scene.client, scene.provider


def spoil_ports() -> Mitigation:
    MitigationRequest.objects.update(ports=TWICE_80)
    return again()


def spoil_size() -> Mitigation:
    MitigationRequest.objects.update(scope=TOO_LONG)
    Mitigation.objects.update(scope=TOO_LONG)
    return again()


def spoil_row() -> Mitigation:
    """A stand-in for an unforeseen defect: an AttributeError while the message is made."""
    row = again()
    row.scope = cast(Targets, None)
    return row


def repair(mitigation: Mitigation) -> None:
    MitigationRequest.objects.update(ports=(), protocols=(), scope=mitigation.scope)
    Mitigation.objects.update(scope=mitigation.scope)


SPOILT: dict[Callable[[], Mitigation], str] = {
    spoil_ports: "It cannot be put into a message: 80 occurs twice.",
    spoil_size: "It cannot be put into a message: the request has",
    spoil_row: "A defect in the portal prevents sending",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
async def test_a_request_that_cannot_be_sent_is_recorded_and_the_next_provider_asked(
    mitigation: Mitigation,
    threads: DatabaseThreads,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[], Mitigation],
) -> None:
    row = await in_database(spoil)()
    async with acting(mitigation, threads) as (actions, client, provider):
        await actions.perform(client, row, Action.REQUEST)
        assert provider.requests == []

    row = await in_database(again)()
    assert (row.status, row.refusal_code) == ("refused", NOT_SENDABLE)
    assert (row.sent_at, row.last_sent_at, row.sends) == (None, None, 0)
    assert row.retry_at is not None
    assert await in_database(sent_events)() == 0
    assert row not in await in_database(queries.live_mitigations)([mitigation.subscription_id])
    assert_logged_once(caplog)
    await in_database(repair)(mitigation)
    words = await in_database(card)()
    assert words.startswith(f"The portal could not send this to Northgate. {SPOILT[spoil]}")
    assert "acting" not in words
    assert (await in_database(again)("Tidewall")).cause == "not_sendable"


@pytest.mark.parametrize("spoil", [spoil_ports, spoil_row])
async def test_a_refresh_that_cannot_be_sent_is_shown_and_the_mitigation_continues(
    mitigation: Mitigation, threads: DatabaseThreads, spoil: Callable[[], Mitigation]
) -> None:
    async with acting(mitigation, threads) as (actions, client, provider):
        await actions.perform(client, mitigation, Action.REQUEST)
        row = await in_database(spoil)()

        is_held = await actions.perform(client, row, Action.REFRESH)

        assert is_held
        assert len(provider.asked(Code.PUT)) == 1
    row = await in_database(again)()
    assert (row.status, row.refusal_code) == ("in_progress", NOT_SENDABLE)
    assert row.sent_at is not None
    await in_database(repair)(mitigation)
    assert "The portal could not send its renewal." in await in_database(card)()


async def test_an_efficacy_update_that_cannot_be_sent_is_shown(
    mitigation: Mitigation, threads: DatabaseThreads, dana: User, caplog: pytest.LogCaptureFixture
) -> None:
    async with acting(mitigation, threads) as (actions, client, provider):
        await actions.perform(client, mitigation, Action.REQUEST)
        await in_database(services.report_efficacy)(
            request_id=mitigation.request_id, actor=Actor.person(dana), attack_status="under-attack"
        )
        await in_database(spoil_ports)()

        await actions.perform(client, await in_database(again)(), Action.EFFICACY)

        assert len(provider.asked(Code.PUT)) == 1
    row = await in_database(again)()
    assert row.efficacy_answered_at == row.efficacy_asked_at
    assert_logged_once(caplog)
    event = await in_database(Event.objects.filter(type="mitigation.efficacy").latest)("seq")
    status_answer = await in_database(lambda: event_facts(event, subjects_of([event]), "Shop"))()
    assert getattr(wording.entry(status_answer), "what", "") == (
        "The portal could not send your answer to Northgate."
    )


async def test_a_withdrawal_that_cannot_be_sent_is_shown_and_retried(
    mitigation: Mitigation, threads: DatabaseThreads, dana: User
) -> None:
    async with acting(mitigation, threads) as (actions, client, provider):
        await actions.perform(client, mitigation, Action.REQUEST)
        await in_database(services.terminate)(
            request_id=mitigation.request_id, actor=Actor.person(dana)
        )
        row = await in_database(again)()
        row.mid = 2**32  # with a counter that is too high

        await actions.perform(client, row, Action.WITHDRAW)

        assert provider.asked(Code.DELETE) == []
    row = await in_database(again)()
    assert (row.status, row.refusal_code) == ("terminating", NOT_SENDABLE)
    assert row.retry_at is not None
    assert "The portal could not send the stop request" in await in_database(card)()


async def test_the_row_counts_the_datagrams_of_a_request(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    async with acting(mitigation, threads, REPEATING) as (actions, client, provider):
        provider.script += [silence, silence]

        await actions.perform(client, mitigation, Action.REQUEST)
        await actions.activity.save(heard_s=0.0)

        assert (await in_database(again)()).sends == len(provider.asked(Code.PUT)) == 3
    assert await in_database(sent_events)() == 1


async def test_a_request_postponed_by_a_provider_is_not_called_unsendable(
    mitigation: Mitigation, threads: DatabaseThreads, dana: User
) -> None:
    """The earlier refusal does not stay on a row that is retried."""
    await in_database(spoil_ports)()
    async with acting(mitigation, threads) as (actions, client, provider):
        await actions.perform(client, await in_database(again)(), Action.REQUEST)
        await in_database(repair)(mitigation)
        await in_database(services.ask_provider)(
            request_id=mitigation.request_id,
            actor=Actor.person(dana),
            subscription_id=mitigation.subscription_id,
        )

        await actions.perform(client, await in_database(again)(), Action.REQUEST)

        assert len(provider.asked(Code.PUT)) == 1
    row = await in_database(again)()
    assert (row.status, row.refusal_code) == ("in_progress", "")


async def test_a_broken_row_is_postponed_too(
    mitigation: Mitigation, threads: DatabaseThreads
) -> None:
    await in_database(Mitigation.objects.update)(scope=UNREADABLE)
    async with acting(mitigation, threads) as (actions, client, provider):
        with pytest.raises(NotSaved):
            await actions.perform(client, await in_database(again)(), Action.REQUEST)
        assert provider.requests == []

    row = await in_database(again)()
    assert (row.status, row.refusal_code) == ("pending", NOT_SENDABLE)
    assert row.retry_at is not None
    await in_database(repair)(mitigation)
    assert "The portal could not send this to Northgate." in await in_database(card)()


def status_answer(status: int, mid: int) -> Any:
    reports = (MitigationReport(mid=mid, lifetime=3600, status=MitigationStatus(status)),)
    return answer(Code.CONTENT, encode_reports(reports), content_format=271)
