from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, ProviderConflict, Strategy
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit

NOW = timezone.now()
LATER = NOW + timedelta(seconds=60)
FILTERING = ProviderReport(
    dots_status=2, trigger=Trigger.FILTERING, lifetime_s=3500, bps_dropped=10**9, pps_dropped=5
)


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    return submit().mitigations.get()


def confirm(mitigation: Mitigation, lifetime_s: int | None = 3600) -> None:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    services.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=lifetime_s, asked_at=NOW, now=NOW
    )


def again(mitigation: Mitigation) -> Mitigation:
    return Mitigation.objects.select_related("request").get(pk=mitigation.pk)


def test_the_first_copy_is_recorded_before_it_is_sent(mitigation: Mitigation) -> None:
    assert services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    for times in (3, 2):
        services.record_sends(sends={mitigation.pk: times}, now=LATER)

    mitigation = again(mitigation)
    assert (mitigation.sent_at, mitigation.last_sent_at, mitigation.sends) == (NOW, LATER, 5)


@pytest.mark.parametrize("is_late", [False, True])
def test_copies_are_counted_since_the_last_request(
    mitigation: Mitigation, *, is_late: bool
) -> None:
    """A worker saves the count a moment after sending: a new request may have started by then."""
    services.record_sending(mitigation_id=mitigation.pk, now=LATER)
    services.record_sends(sends={mitigation.pk: 83}, now=LATER)
    services.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=LATER, now=LATER
    )
    services.record_forgotten(mitigation_id=mitigation.pk, now=LATER + timedelta(seconds=60))
    if is_late:
        services.record_sends(sends={mitigation.pk: 7}, now=LATER + timedelta(seconds=60))

    asked_again = LATER + timedelta(seconds=61)
    services.record_sending(mitigation_id=mitigation.pk, now=asked_again)
    services.record_sends(sends={mitigation.pk: 2}, now=asked_again)
    services.record_sending(mitigation_id=mitigation.pk, now=asked_again + timedelta(seconds=3))

    mitigation = again(mitigation)
    assert (mitigation.sent_at, mitigation.sends) == (asked_again, 2)


def test_sending_is_one_event_however_often_a_worker_restarts(
    mitigation: Mitigation,
) -> None:
    for _ in range(2):
        services.record_sending(mitigation_id=mitigation.pk, now=NOW)
        services.record_sent(mitigation_id=mitigation.pk, now=NOW)

    assert Event.objects.filter(type="mitigation.sent").count() == 1


def test_a_confirmation_is_accepted_not_mitigating(mitigation: Mitigation) -> None:
    confirm(mitigation)

    mitigation = again(mitigation)
    assert (mitigation.status, mitigation.request.status) == ("in_progress", "in_progress")
    assert mitigation.expires_at == NOW + timedelta(seconds=3600)
    assert mitigation.lifetime_remaining_s(LATER) == 3540


def test_a_refresh_extends_the_lifetime_and_keeps_the_time_of_the_first_confirmation(
    mitigation: Mitigation,
) -> None:
    confirm(mitigation)
    services.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=LATER, now=LATER
    )

    mitigation = again(mitigation)
    assert (mitigation.confirmed_at, mitigation.refreshed_at) == (NOW, LATER)
    assert mitigation.expires_at == LATER + timedelta(seconds=3600)


@pytest.mark.parametrize(("lifetime_s", "more_data"), [(3600, {"lifetime": 3600}), (None, {})])
def test_the_event_of_a_confirmation_has_the_granted_lifetime(
    mitigation: Mitigation, lifetime_s: int | None, more_data: dict[str, int]
) -> None:
    confirm(mitigation, lifetime_s=lifetime_s)

    event = Event.objects.get(type="mitigation.status")
    assert event.data == {"status": "in_progress", "previous": "pending", **more_data}


def test_a_confirmed_withdrawal_is_logged_once_it_is_known(
    mitigation: Mitigation, alice: User
) -> None:
    confirm(mitigation)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))

    services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=LATER)

    event = Event.objects.filter(type="mitigation.status").latest("seq")
    assert event.data == {"status": "terminating", "previous": "terminating", "told": True}


@pytest.mark.parametrize("length", [99, 100, 101, 499, 500, 501, 5000])
def test_a_long_reason_is_cut(mitigation: Mitigation, length: int) -> None:
    reason = "x" * length
    services.record_refused(mitigation_id=mitigation.pk, code="4.00", reason=reason, now=NOW)

    assert again(mitigation).refusal_reason == reason[:500]
    assert Event.objects.get(type="mitigation.refused").data["reason"] == reason[:100]


def test_an_answer_that_could_not_be_saved_stays_unsaved_until_the_provider_is_heard(
    mitigation: Mitigation,
) -> None:
    Mitigation.objects.filter(pk=mitigation.pk).update(unsaved_at=NOW)

    services.mark_overdue(now=mitigation.asked_at + timedelta(seconds=60))
    assert again(mitigation).overdue_at is not None
    assert again(mitigation).unsaved_at == NOW

    confirm(mitigation)
    assert again(mitigation).unsaved_at is None


def test_a_grant_without_end_has_no_end(mitigation: Mitigation) -> None:
    confirm(mitigation, lifetime_s=-1)

    assert again(mitigation).expires_at is None


def test_a_report_moves_the_status_and_the_counters(mitigation: Mitigation) -> None:
    confirm(mitigation)

    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER)

    mitigation = again(mitigation)
    assert (mitigation.status, mitigation.request.status, mitigation.mitigating_at) == (
        "mitigating",
        "mitigating",
        LATER,
    )
    assert mitigation.bps_dropped == 10**9
    assert list(Event.objects.order_by("-seq").values_list("type", flat=True)[:3]) == [
        "request.status",
        "mitigation.counters",
        "mitigation.status",
    ]


def test_a_report_without_news_makes_no_event(mitigation: Mitigation) -> None:
    confirm(mitigation)
    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER)
    before = Event.objects.count()

    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER)

    assert Event.objects.count() == before


def test_a_report_confirms_when_the_answer_was_lost(mitigation: Mitigation) -> None:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)

    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER)

    assert again(mitigation).confirmed_at == LATER


def test_a_counter_beyond_the_columns_range_is_saved_as_its_largest_value(
    mitigation: Mitigation,
) -> None:
    confirm(mitigation)
    report = ProviderReport(dots_status=2, trigger=Trigger.FILTERING, bytes_dropped=2**64 - 1)

    services.record_report(mitigation_id=mitigation.pk, report=report, now=LATER)

    assert again(mitigation).bytes_dropped == 2**63 - 1


def test_a_late_report_of_an_ended_mitigation_changes_nothing(
    mitigation: Mitigation, alice: User
) -> None:
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))

    assert services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER) is None
    assert again(mitigation).status == "terminated"


def test_a_refusal_asks_the_next_provider_in_the_same_transaction(
    mitigation: Mitigation, acme_tidewall: Subscription
) -> None:
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)

    services.record_refused(
        mitigation_id=mitigation.pk, code="4.00", reason="no such prefix", now=NOW
    )

    first, second = mitigation.request.mitigations.all()
    assert (first.status, first.refusal_reason) == ("refused", "no such prefix")
    assert (second.subscription, second.cause) == (acme_tidewall, "refused")
    assert second.cause_subscription == first.subscription
    assert again(mitigation).request.status == "requesting"


@pytest.mark.parametrize(
    ("trigger", "cause"),
    [
        (Trigger.CAPACITY_EXCEEDED, "exceeded"),
        (Trigger.PROVIDER_WITHDREW, "withdrew"),
    ],
)
def test_the_next_provider_is_asked_when_one_cannot_help(
    mitigation: Mitigation, trigger: Trigger, cause: str
) -> None:
    confirm(mitigation)

    report = ProviderReport(dots_status=None, trigger=trigger)
    services.record_report(mitigation_id=mitigation.pk, report=report, now=LATER)

    assert mitigation.request.mitigations.last().cause == cause  # type: ignore[union-attr]  # there are two


def refuse(mitigation: Mitigation, now: datetime = NOW, retry_after_s: int | None = None) -> None:
    services.record_refused(
        mitigation_id=mitigation.pk, code="4.03", reason="", now=now, retry_after_s=retry_after_s
    )


@pytest.mark.parametrize("answer", ["confirmed", "refused"])
def test_an_extension_made_during_a_refresh_is_still_sent(
    mitigation: Mitigation, alice: User, answer: str
) -> None:
    confirm(mitigation)
    services.extend(request_id=mitigation.request_id, actor=Actor.person(alice), lifetime_s=7200)
    extended = again(mitigation).refresh_asked_at
    assert extended is not None
    # Started after the time of the extension but before its commit: it was made from the older row.
    begun = extended + timedelta(milliseconds=80)

    for known, still_due in ((None, True), (extended, False)):
        if answer == "confirmed":
            services.record_confirmed(
                mitigation_id=mitigation.pk,
                lifetime_s=60,
                asked_at=begun,
                extended_at=known,
                now=begun,
            )
        else:
            services.record_refused(
                mitigation_id=mitigation.pk, code="4.00", reason="", extended_at=known, now=begun
            )
        refreshed = again(mitigation).refreshed_at
        assert refreshed is not None
        assert (refreshed < extended) is still_due


@pytest.mark.rule("SC-046")
@pytest.mark.rule("SC-073")
def test_a_provider_that_named_a_retry_time_is_not_asked_before_it(
    submit: Submit, acme_northgate: Subscription
) -> None:
    mitigation = submit(subscriptions=(acme_northgate.pk,)).mitigations.get()
    refuse(mitigation, retry_after_s=1800)

    assert services.mark_due_again(now=NOW + timedelta(seconds=1799)) == 0
    assert services.mark_due_again(now=NOW + timedelta(seconds=1800)) == 1
    assert (again(mitigation).status, again(mitigation).mid) == ("pending", mitigation.mid)


def test_each_provider_is_retried_with_growing_pauses_after_all_refused(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL)
    mitigations = list(request.mitigations.all())
    for mitigation in mitigations:
        refuse(mitigation)
    waits = []

    now = NOW
    for _ in range(7):
        retry_at = again(mitigations[0]).retry_at
        assert retry_at is not None
        waits.append((retry_at - now).total_seconds())
        now = retry_at
        services.mark_due_again(now=now)
        assert again(mitigations[0]).request.status == "failing"
        for mitigation in mitigations:
            refuse(mitigation, now)

    assert waits == [30, 60, 120, 240, 480, 600, 600]


def test_no_provider_is_retried_while_another_one_helps(submit: Submit) -> None:
    first, second = submit(Strategy.PARALLEL).mitigations.all()
    refuse(first)
    confirm(second)

    assert services.mark_due_again(now=LATER) == 0
    assert again(first).status == "refused"


def test_a_late_acceptance_ends_the_backoff(submit: Submit) -> None:
    mitigation = submit().mitigations.get()
    refuse(mitigation)

    confirm(mitigation)

    assert (again(mitigation).status, again(mitigation).setbacks, again(mitigation).retry_at) == (
        "in_progress",
        0,
        None,
    )


def test_a_refused_mitigation_needs_no_termination(submit: Submit, alice: User) -> None:
    request = submit(Strategy.PARALLEL)
    for mitigation in request.mitigations.all():
        services.record_sending(mitigation_id=mitigation.pk, now=NOW)
        refuse(mitigation)

    request = services.terminate(request_id=request.pk, actor=Actor.person(alice))

    assert request.status == "terminated"
    assert {mitigation.status for mitigation in request.mitigations.all()} == {"refused"}
    assert services.mark_due_again(now=LATER) == 0


def test_the_next_provider_is_asked_at_once_when_one_asks_to_wait(mitigation: Mitigation) -> None:
    services.record_unavailable(
        mitigation_id=mitigation.pk, code="5.03", reason="busy", retry_at=LATER, now=NOW
    )

    assert mitigation.request.mitigations.count() == 2


def test_a_request_refused_by_all_is_failing(submit: Submit) -> None:
    request = submit(Strategy.PARALLEL)

    for mitigation in request.mitigations.all():
        services.record_refused(mitigation_id=mitigation.pk, code="4.03", reason="", now=NOW)

    assert MitigationRequest.objects.get(pk=request.pk).status == "failing"


def test_the_organization_sets_how_long_to_wait_for_an_answer(mitigation: Mitigation) -> None:
    asked = mitigation.asked_at

    assert services.mark_overdue(now=asked + timedelta(seconds=9)) == 0
    assert services.mark_overdue(now=asked + timedelta(seconds=10)) == 1
    assert services.mark_overdue(now=asked + timedelta(seconds=11)) == 0
    assert mitigation.request.mitigations.count() == 2


def test_a_late_answer_clears_overdue(mitigation: Mitigation) -> None:
    services.mark_overdue(now=mitigation.asked_at + timedelta(seconds=10))

    confirm(mitigation)

    assert again(mitigation).overdue_at is None
    assert again(mitigation).request.status == "in_progress"


def test_a_request_the_provider_forgot_is_sent_again(mitigation: Mitigation) -> None:
    confirm(mitigation)

    services.record_forgotten(mitigation_id=mitigation.pk, now=LATER)

    mitigation = again(mitigation)
    assert (mitigation.status, mitigation.asked_at, mitigation.mid) == ("pending", LATER, 1)


def test_a_renewing_request_is_sent_again_when_its_lifetime_ran_out(
    mitigation: Mitigation,
) -> None:
    confirm(mitigation, lifetime_s=60)

    assert services.mark_expired(now=NOW + timedelta(seconds=59)) == 0
    assert services.mark_expired(now=LATER) == 1

    assert again(mitigation).status == "pending"


def test_a_request_without_renewal_expires(submit: Submit) -> None:
    mitigation = submit(auto_renew=False).mitigations.get()
    confirm(mitigation, lifetime_s=60)

    services.mark_expired(now=LATER)

    assert (again(mitigation).status, again(mitigation).request.status) == ("expired", "expired")


def test_a_mitigation_ends_when_a_newer_request_replaces_it(mitigation: Mitigation) -> None:
    confirm(mitigation)

    services.record_superseded(
        mitigation_id=mitigation.pk, conflict=ProviderConflict(reason="newer"), now=LATER
    )

    mitigation = again(mitigation)
    assert (mitigation.status, mitigation.wanted, mitigation.request.status) == (
        "withdrawn",
        "withdrawn",
        "terminated",
    )


def test_a_busy_provider_is_not_asked_before_the_time_it_named(mitigation: Mitigation) -> None:
    services.record_unavailable(
        mitigation_id=mitigation.pk, code="5.03", reason="busy", retry_at=LATER, now=NOW
    )

    assert (again(mitigation).status, again(mitigation).retry_at) == ("pending", LATER)


def test_events_are_numbered_without_a_gap_per_organization(mitigation: Mitigation) -> None:
    confirm(mitigation)
    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=LATER)

    seqs = list(
        Event.objects.filter(organization_id=mitigation.organization_id).values_list(
            "seq", flat=True
        )
    )
    assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.parametrize("ask", ["extend", "refresh"])
def test_a_refresh_is_due_although_the_clock_of_web_is_behind(
    mitigation: Mitigation, alice: User, ask: str
) -> None:
    ahead = timezone.now() + timedelta(seconds=2)
    services.record_confirmed(
        mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=ahead, now=ahead
    )

    if ask == "extend":
        services.extend(
            request_id=mitigation.request_id, actor=Actor.person(alice), lifetime_s=7200
        )
    else:
        services.ask_refresh(mitigation_id=mitigation.pk)

    assert again(mitigation).is_extended
