from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
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


@pytest.mark.parametrize(
    ("polled_after_s", "status"),
    [
        pytest.param(-1, "terminating", id="a PUT may have followed the GET"),
        pytest.param(1, "terminated", id="no PUT follows a withdrawal"),
    ],
)
def test_a_404_ends_a_withdrawn_mitigation_only_if_it_was_polled_later(
    mitigation: Mitigation, alice: User, polled_after_s: int, status: str
) -> None:
    confirm(mitigation)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    asked_at = again(mitigation).withdrawal_asked_at
    assert asked_at is not None

    services.record_forgotten(
        mitigation_id=mitigation.pk,
        now=asked_at + timedelta(seconds=2),
        asked_at=asked_at + timedelta(seconds=polled_after_s),
    )

    assert again(mitigation).status == status


def test_a_404_from_before_ends_it_once_the_provider_confirmed_the_withdrawal(
    mitigation: Mitigation, alice: User
) -> None:
    confirm(mitigation)
    services.terminate(request_id=mitigation.request_id, actor=Actor.person(alice))
    services.record_withdrawal_confirmed(mitigation_id=mitigation.pk, now=LATER)

    services.record_forgotten(mitigation_id=mitigation.pk, now=LATER, asked_at=NOW)

    assert again(mitigation).status == "terminated"


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
