"""Answers that the portal cannot save, and what ends no session."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from aiocoap import Code
from django.utils import timezone

from dots_client import MitigationReport, MitigationStatus
from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.signaling.actions.next_action import Action
from portal.signaling.database_threads import DatabaseThreads
from portal.signaling.reports.ledger import Ledger
from portal.signaling.reports.status_reports import StatusReports
from portal.signaling.store.fenced_store import NotSaved
from tests.dots_client.client.provider import answer
from tests.factories import ResourceFactory
from tests.portal.signaling import test_own_failures
from tests.portal.signaling.test_own_failures import (
    UNREADABLE,
    acting,
    again,
    assert_logged_once,
    card,
    in_database,
    status_answer,
)

pytestmark = pytest.mark.django_db(transaction=True)
mitigation = test_own_failures.mitigation


# answers


FORBIDDEN = answer(Code.FORBIDDEN, b"not your addresses")


async def test_a_refusal_is_saved_without_text_that_the_database_refuses(
    mitigation: Mitigation,
    threads: DatabaseThreads,
    database_refuses: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await in_database(database_refuses)("refusal_reason <> ''")
    async with acting(mitigation, threads) as (actions, client, provider):
        provider.script.append(FORBIDDEN)

        await actions.perform(client, mitigation, Action.REQUEST)

    row = await in_database(again)()
    assert (row.status, row.refusal_code, row.refusal_reason) == ("refused", "4.03", "")
    assert row.unsaved_at is None
    assert (await in_database(again)("Tidewall")).cause == "refused"
    assert_logged_once(caplog)


async def test_the_row_shows_that_an_answer_came_even_if_it_cannot_be_saved(
    mitigation: Mitigation,
    threads: DatabaseThreads,
    database_refuses: Callable[[str], None],
    acme: Organization,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await in_database(database_refuses)("status = 'refused' OR refusal_reason <> ''")
    async with acting(mitigation, threads) as (actions, client, provider):
        provider.script.append(FORBIDDEN)

        with pytest.raises(NotSaved):
            await actions.perform(client, mitigation, Action.REQUEST)

    row = await in_database(again)()
    assert row.status == "pending"
    assert row.unsaved_at is not None
    assert row.retry_at is not None
    assert row.retry_at - row.unsaved_at == timedelta(seconds=30)
    assert_logged_once(caplog)
    words = await in_database(card)()
    assert words.startswith("The portal could not save Northgate’s answer from")
    assert "no answer" not in words
    overdue = timezone.now() + timedelta(seconds=acme.patience_s + 1)
    await in_database(services.mark_overdue)(now=overdue)
    assert (await in_database(again)("Tidewall")).cause == "not_saved"


async def test_the_next_saved_answer_removes_the_notice(
    mitigation: Mitigation, threads: DatabaseThreads, database_refuses: Callable[[str], None]
) -> None:
    await in_database(database_refuses)("status = 'refused'")
    async with acting(mitigation, threads) as (actions, client, provider):
        provider.script.append(FORBIDDEN)
        with pytest.raises(NotSaved):
            await actions.perform(client, mitigation, Action.REQUEST)

        await actions.perform(client, await in_database(again)(), Action.REQUEST)

    row = await in_database(again)()
    assert (row.status, row.unsaved_at) == ("in_progress", None)


async def test_a_report_that_cannot_be_saved_is_shown_and_does_not_delay_others(
    mitigation: Mitigation, threads: DatabaseThreads, database_refuses: Callable[[str], None]
) -> None:
    async with acting(mitigation, threads) as (actions, client, _provider):
        await actions.perform(client, mitigation, Action.REQUEST)
        await in_database(database_refuses)("status = 'mitigating'")
        row = await in_database(again)()

        reports = StatusReports(actions.store, Ledger(threads))
        await reports.save(row, report(MitigationStatus.MITIGATING))

        row = await in_database(again)()
        assert row.status == "in_progress"
        assert "The rest shown here is older." in await in_database(card)()
        await reports.save(row, report(MitigationStatus.EXCEEDED_CAPABILITY))
    row = await in_database(again)()
    assert (row.status, row.unsaved_at) == ("exceeded", None)


async def test_an_outcome_that_cannot_even_be_marked_is_logged_and_ends_no_session(
    mitigation: Mitigation,
    threads: DatabaseThreads,
    database_refuses: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await in_database(database_refuses)("status = 'refused' OR unsaved_at IS NOT NULL")
    async with acting(mitigation, threads) as (actions, client, provider):
        provider.script.append(FORBIDDEN)

        with pytest.raises(NotSaved):
            await actions.perform(client, mitigation, Action.REQUEST)

    assert (await in_database(again)()).status == "pending"
    assert any("not even the fact of an outcome" in one.message for one in caplog.records)


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 6, 7, 8])
async def test_an_answer_to_a_poll_that_cannot_be_saved_leaves_the_others_alone(
    mitigation: Mitigation,
    threads: DatabaseThreads,
    database_refuses: Callable[[str], None],
    status: int,
) -> None:
    """For every report, whatever it changes in the row."""
    async with acting(mitigation, threads) as (actions, client, provider):
        await actions.perform(client, mitigation, Action.REQUEST)
        await in_database(database_refuses)("status <> 'in_progress' OR refusal_code <> ''")
        provider.script.append(status_answer(status, mitigation.mid))

        reports = StatusReports(actions.store, Ledger(threads))
        await reports.poll(client, await in_database(again)())

    assert (await in_database(again)()).status == "in_progress"


def report(status: MitigationStatus) -> MitigationReport:
    return MitigationReport(mid=1, lifetime=3600, status=status, bytes_dropped=7)


# sweeps


def test_a_row_that_breaks_a_sweep_does_not_stop_the_others(
    mitigation: Mitigation,
    acme: Organization,
    alice: User,
    globex: Organization,
    charlie: User,
    globex_northgate: Subscription,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ResourceFactory.create(organization=globex, value="198.51.100.0/24")
    submission = Submission(prefixes=("198.51.100.7/32",))
    other = services.submit(organization=globex, actor=Actor.person(charlie), submission=submission)
    Mitigation.objects.filter(pk=mitigation.pk).update(scope=UNREADABLE)

    marked = services.mark_overdue(now=timezone.now() + timedelta(minutes=1))

    assert marked == 1
    assert other.mitigations.get().overdue_at is not None
    assert [one for one in caplog.records if one.exc_info and "skipping" in one.message]
