"""Facts of a scorecard, read from the rows and events that the portal really writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event, EventType
from portal.inventory import services as inventory
from portal.inventory.models import UnknownMitigation
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict, RequestKind
from portal.mitigations.states import LOOP, Trigger
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.scorecard import queries
from portal.scorecard.facts import RefusalReason
from portal.scorecard.periods import Month, Period
from portal.scorecard.queries import TooMuchToScore
from portal.scorecard.scorecards import Completeness, scorecard_of
from tests.portal.inventory.conftest import Record
from tests.portal.inventory.conftest import record as record
from tests.portal.inventory.conftest import reported as held
from tests.portal.scorecard.conftest import (
    NOON,
    NOW,
    OCTOBER,
    Ask,
    accepted,
    refused,
    reported,
    score,
    seconds,
    sent,
    session,
)


def test_a_whole_life_gives_three_times(acme: Organization, alice: User, ask: Ask) -> None:
    one = ask()
    sent(one)
    accepted(one, NOON + seconds(2))
    reported(one, 1, Trigger.SETTING_UP, NOON + seconds(3))
    reported(one, 2, Trigger.FILTERING, NOON + seconds(11))
    reported(one, 4, Trigger.CAPACITY_EXCEEDED, NOON + seconds(20))
    services.report_efficacy(
        request_id=one.request_id, actor=Actor.person(alice), attack_status="under-attack"
    )
    services.terminate(request_id=one.request_id, actor=Actor.person(alice))
    asked_at = Mitigation.objects.get(pk=one.pk).withdrawal_asked_at
    assert asked_at is not None
    reported(one, 6, Trigger.ENDED, asked_at + seconds(120))

    found = score(acme).figures

    assert found.accept.values == (2,)
    assert found.filter.values == (11,)
    assert found.stop.values == (120,)
    assert (found.asked, found.accepted, found.exceeded, found.under_attack) == (1, 1, 1, 1)
    assert score(acme).completeness == Completeness.COMPLETE


def test_a_second_attempt_keeps_the_time_of_the_first_copy(acme: Organization, ask: Ask) -> None:
    one = ask()
    sent(one)
    refused(one, NOON + seconds(1))
    Mitigation.objects.filter(pk=one.pk).update(retry_at=NOON + seconds(60))
    services.mark_due_again(now=NOON + seconds(60))
    services.record_sending(mitigation_id=one.pk, now=NOON + seconds(61))
    accepted(one, NOON + seconds(62))

    found = score(acme).figures

    assert found.accept.values == (62,)
    assert (found.sent, found.accepted, found.refused) == (1, 1, 1)


def test_refusals_are_counted_by_code_and_conflict(acme: Organization, ask: Ask) -> None:
    conflicting, looping, put_off = ask(), ask(), ask()
    for one in (conflicting, looping, put_off):
        sent(one)
    services.record_refused(
        mitigation_id=conflicting.pk,
        code="4.09",
        reason="",
        conflict=ProviderConflict(cause=1, mid=7),
        now=NOON + seconds(1),
    )
    refused(looping, NOON + seconds(1), LOOP)
    services.record_unavailable(
        mitigation_id=put_off.pk,
        code="5.03",
        reason="",
        retry_at=NOON + seconds(60),
        now=NOON + seconds(1),
    )

    found = score(acme).figures

    assert found.reasons == ((RefusalReason("4.09", 1), 1),)
    assert (found.refused, found.looped, found.put_off, found.unanswered) == (1, 1, 1, 1)


def test_a_refused_refresh_is_no_refused_request(acme: Organization, ask: Ask) -> None:
    one = ask()
    sent(one)
    accepted(one, NOON + seconds(1))
    refused(one, NOON + seconds(600), "4.22")

    assert score(acme).figures.refused == 0


def test_an_unsendable_mitigation_says_nothing_about_the_provider(
    acme: Organization, ask: Ask
) -> None:
    one = ask()
    services.record_not_sendable(
        mitigation_id=one.pk, reason="too large", never_left=True, now=NOON
    )

    found = score(acme).figures

    assert (found.asked, found.unsent, found.refused) == (1, 1, 0)


def test_a_drill_counts_apart_and_a_plan_not_at_all(acme: Organization, ask: Ask) -> None:
    drill, plan = ask(), ask()
    for one, kind in ((drill, RequestKind.DRILL), (plan, RequestKind.STANDBY)):
        sent(one)
        MitigationRequest.objects.filter(pk=one.request_id).update(kind=kind)
        accepted(one, NOON + seconds(4))

    found = score(acme).figures

    assert (found.asked, found.drill_figures.sent, found.drill_figures.accept.values) == (
        0,
        1,
        (4,),
    )


def test_a_month_is_that_of_the_reader(acme: Organization, ask: Ask) -> None:
    ask(datetime(2026, 9, 30, 23, tzinfo=UTC))
    prague = Period(Month(2026, 10), Month(2026, 10), ZoneInfo("Europe/Prague"))

    assert score(acme, OCTOBER).figures.asked == 0
    assert score(acme, prague).figures.asked == 1


def test_each_month_and_the_whole_period_are_computed_from_the_facts(
    acme: Organization, ask: Ask
) -> None:
    ask(NOON - timedelta(days=31))
    ask()
    ask()
    both = Period(Month(2026, 9), Month(2026, 10), ZoneInfo("UTC"))

    found = score(acme, both)

    assert [one.figures.asked for one in found.months] == [1, 2]
    assert found.figures.asked == 3


def test_a_session_counts_from_its_events(acme: Organization, acme_northgate: Subscription) -> None:
    begins = OCTOBER.begins
    session(acme_northgate, EventType.SESSION_UP, begins - timedelta(days=40))
    session(acme_northgate, EventType.SESSION_DOWN, begins + timedelta(days=10))
    session(acme_northgate, EventType.SESSION_UP, begins + timedelta(days=11))
    session(acme_northgate, EventType.SESSION_DOWN, begins + timedelta(days=20), fault="no_worker")
    session(acme_northgate, EventType.SESSION_UP, begins + timedelta(days=22))
    day = 86_400

    found = score(acme).figures.sessions

    assert (found.up_s, found.down_s, found.not_measured_s) == (28 * day, day, 2 * day)


def test_a_session_without_any_event_is_not_measured(
    acme: Organization, acme_northgate: Subscription
) -> None:
    found = score(acme).figures.sessions

    assert (found.measured_s, found.not_measured_s) == (0, 31 * 86_400)
    assert found.percent is None


def test_a_month_before_the_oldest_kept_event_is_incomplete(acme: Organization, ask: Ask) -> None:
    one = ask()
    sent(one)
    Event.objects.filter(organization_id=acme.pk).update(at=NOON)
    assert score(acme).completeness == Completeness.COMPLETE

    first = Event.objects.filter(organization_id=acme.pk).order_by("seq")[0]
    first.delete()

    assert score(acme).completeness == Completeness.INCOMPLETE
    assert scorecard_of(acme, OCTOBER, NOW).completeness == Completeness.INCOMPLETE
    assert scorecard_of(None, OCTOBER, NOW).completeness == Completeness.INCOMPLETE


def test_removed_counter_reports_leave_a_month_complete(
    acme: Organization, acme_northgate: Subscription
) -> None:
    removed, kept = (session(acme_northgate, EventType.SESSION_UP, NOON) for _ in range(2))
    Event.objects.filter(pk=removed.pk).delete()
    Event.objects.filter(pk=kept.pk).update(thinned=1)

    assert score(acme).completeness == Completeness.COMPLETE


def test_a_mitigation_that_a_person_adopted_is_not_measured(
    acme: Organization, alice: User, network: ProtectedResource, record: Record
) -> None:
    record(held())
    inventory.adopt(unknown_id=UnknownMitigation.objects.get().pk, actor=Actor.person(alice))
    MitigationRequest.objects.update(created_at=NOON)

    found = score(acme)

    assert (found.figures.asked, found.completeness) == (0, Completeness.COMPLETE)


def test_a_mitigation_whose_events_are_gone_makes_the_month_incomplete(
    acme: Organization, ask: Ask
) -> None:
    one, other = ask(), ask()
    for each in (one, other):
        sent(each)
        accepted(each, NOON + seconds(1))
    Event.objects.filter(mitigation_id=other.pk).delete()

    found = score(acme)

    assert found.completeness == Completeness.INCOMPLETE
    assert (found.figures.lacking_events, found.figures.accepted) == (1, 1)


def test_a_month_that_is_not_over_says_so(acme: Organization, ask: Ask) -> None:
    found = scorecard_of(acme, OCTOBER, NOON)

    assert found.completeness == Completeness.RUNNING
    assert found.until == NOON


def test_an_organization_reads_only_its_own(
    acme: Organization,
    globex: Organization,
    globex_northgate: Subscription,
    ask: Ask,
    acme_northgate: Subscription,
) -> None:
    one = ask()
    sent(one)
    refused(one, NOON + seconds(1))
    session(acme_northgate, EventType.SESSION_UP, OCTOBER.begins)

    found = score(globex).figures

    assert (found.asked, found.refused, found.reasons) == (0, 0, ())
    assert found.sessions.measured_s == 0


def test_staff_read_all_organizations_together(
    acme: Organization, globex: Organization, globex_northgate: Subscription, ask: Ask
) -> None:
    for one in (ask(), ask()):
        sent(one)
    session(globex_northgate, EventType.SESSION_UP, OCTOBER.begins)

    (found,) = scorecard_of(None, OCTOBER, NOW).providers

    assert (found.figures.asked, found.figures.organizations) == (2, 1)
    assert found.figures.sessions.up_s == 31 * 86_400


@pytest.mark.parametrize("name", ["MAX_MITIGATIONS", "MAX_REFUSALS", "MAX_SESSION_CHANGES"])
def test_a_period_with_too_much_is_refused_and_not_cut(
    acme: Organization,
    ask: Ask,
    acme_northgate: Subscription,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    for code in ("4.09", "4.22"):
        one = ask()
        sent(one)
        refused(one, NOON + seconds(1), code)
        session(acme_northgate, EventType.SESSION_UP, NOON)
    monkeypatch.setattr(queries, name, 2)
    scorecard_of(acme, OCTOBER, NOW)
    monkeypatch.setattr(queries, name, 1)

    with pytest.raises(TooMuchToScore):
        scorecard_of(acme, OCTOBER, NOW)
