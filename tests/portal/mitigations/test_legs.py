from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.models import User
from portal.core.errors import Conflict, Invalid, NotFound
from portal.mitigations import services
from portal.mitigations.models import Event, Mitigation, MitigationRequest, Strategy
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from portal.organizations.models import LateAcceptance, Organization
from portal.providers.models import Provider, SessionState, Subscription
from portal.signaling.sessions import record_session
from tests.factories import ProviderFactory, SubscriptionFactory
from tests.portal.mitigations.conftest import Submit

NOW = timezone.now()


@pytest.fixture
def acme_harbour(acme: Organization) -> Subscription:
    harbour = ProviderFactory.create(name="Harbour", short_name="Harbour")
    return SubscriptionFactory.create(organization=acme, provider=harbour, priority=3)


def legs(request: MitigationRequest) -> list[Mitigation]:
    return list(
        request.mitigations.select_related("subscription__provider").order_by("position", "mid")
    )


def names(request: MitigationRequest) -> list[str]:
    return [leg.subscription.provider.short_name for leg in request.mitigations.all()]


def status_of(request: MitigationRequest) -> str:
    return MitigationRequest.objects.get(pk=request.pk).status


def sent(leg: Mitigation) -> None:
    services.record_sending(mitigation_id=leg.pk, now=NOW)


def confirm(leg: Mitigation, now: datetime = NOW) -> None:
    sent(leg)
    services.record_confirmed(mitigation_id=leg.pk, lifetime_s=3600, asked_at=now, now=now)


def report(leg: Mitigation, trigger: Trigger, now: datetime = NOW) -> None:
    services.record_report(
        mitigation_id=leg.pk, report=ProviderReport(dots_status=None, trigger=trigger), now=now
    )


def refuse(leg: Mitigation, *, retry_after_s: int | None = None) -> None:
    conflict = None if retry_after_s is None else {"retry_after": retry_after_s}
    services.record_refused(
        mitigation_id=leg.pk,
        code="4.09",
        reason="",
        conflict=conflict,
        retry_after_s=retry_after_s,
        now=timezone.now(),
    )


# asking by hand


def test_the_next_in_order_is_asked_by_hand(submit: Submit, dana: User) -> None:
    request = submit()

    services.ask_provider(request_id=request.pk, actor=dana)

    first, second = request.mitigations.all()
    assert names(request) == ["Northgate", "Tidewall"]
    assert (first.asked_by, second.asked_by, second.because) == (None, dana, "")
    assert second.scope == request.scope
    event = Event.objects.get(type="mitigation.asked")
    assert (event.actor, event.mitigation) == (dana, second)


def test_a_chosen_one_is_asked_before_its_turn_and_keeps_its_place(
    submit: Submit, dana: User, acme_harbour: Subscription
) -> None:
    request = submit()

    services.ask_provider(request_id=request.pk, actor=dana, subscription_id=acme_harbour.pk)
    services.ask_provider(request_id=request.pk, actor=dana)

    assert names(request) == ["Northgate", "Tidewall", "Harbour"]
    assert [leg.position for leg in request.mitigations.all()] == [0, 1, 2]


def test_asking_twice_asks_once(submit: Submit, dana: User, acme_tidewall: Subscription) -> None:
    request = submit()

    for _ in range(2):
        services.ask_provider(request_id=request.pk, actor=dana, subscription_id=acme_tidewall.pk)

    assert len(legs(request)) == 2
    assert Event.objects.filter(type="mitigation.asked").count() == 1


def test_who_was_not_chosen_at_first_can_join(
    submit: Submit, dana: User, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    request = submit(subscriptions=(acme_northgate.pk,))

    services.ask_provider(request_id=request.pk, actor=dana, subscription_id=acme_tidewall.pk)

    request.refresh_from_db()
    assert request.subscriptions == [str(acme_northgate.pk), str(acme_tidewall.pk)]
    assert names(request) == ["Northgate", "Tidewall"]


def test_who_joins_late_is_asked_for_no_longer_than_it_takes(
    submit: Submit, dana: User, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    request = submit(subscriptions=(acme_northgate.pk,), lifetime_s=-1)
    Provider.objects.filter(short_name="Tidewall").update(
        may_be_indefinite=False, max_lifetime_s=7200
    )

    services.ask_provider(request_id=request.pk, actor=dana, subscription_id=acme_tidewall.pk)

    assert [leg.lifetime_s for leg in legs(request)] == [-1, 7200]


@pytest.mark.parametrize("reason", ["another tenant's", "disabled", "limited"])
def test_whom_one_may_not_ask_is_not_asked(
    submit: Submit,
    dana: User,
    acme_tidewall: Subscription,
    globex_northgate: Subscription,
    reason: str,
) -> None:
    request = submit()
    chosen = globex_northgate if reason == "another tenant's" else acme_tidewall
    Subscription.objects.filter(pk=chosen.pk).update(
        enabled=reason != "disabled", limited_to=["2001:db8::/32"] if reason == "limited" else []
    )

    with pytest.raises((Invalid, Conflict)) as caught:
        services.ask_provider(request_id=request.pk, actor=dana, subscription_id=chosen.pk)

    assert len(legs(request)) == 1
    if reason == "limited":
        assert str(caught.value) == ("Tidewall may protect only 2001:db8::/32. It was not asked.")


def test_when_all_are_asked_the_person_is_told(submit: Submit, dana: User) -> None:
    request = submit(Strategy.PARALLEL)

    with pytest.raises(Conflict, match="Every provider of this request has been asked"):
        services.ask_provider(request_id=request.pk, actor=dana)


def test_nobody_is_asked_for_what_was_terminated(submit: Submit, dana: User) -> None:
    request = submit()
    sent(legs(request)[0])
    services.terminate(request_id=request.pk, actor=dana)

    with pytest.raises(Conflict, match="dana terminated this"):
        services.ask_provider(request_id=request.pk, actor=dana)


def test_who_waits_for_our_own_backoff_is_tried_again_at_once(submit: Submit, dana: User) -> None:
    request = submit(Strategy.PARALLEL)
    for leg in legs(request):
        refuse(leg)
    assert status_of(request) == "failing"

    services.ask_provider(request_id=request.pk, actor=dana)

    first, second = request.mitigations.all()
    assert (first.status, first.retry_at, first.asked_by) == ("pending", None, dana)
    assert second.status == "refused"
    assert first.mid == legs(request)[0].mid


@pytest.mark.rule("SC-046")
def test_who_named_its_own_time_is_not_asked_before_it_by_hand_either(
    submit: Submit, dana: User, acme_northgate: Subscription
) -> None:
    request = submit()
    refuse(legs(request)[0], retry_after_s=1800)

    with pytest.raises(Conflict, match="Northgate said when it may be asked again"):
        services.ask_provider(request_id=request.pk, actor=dana, subscription_id=acme_northgate.pk)


@pytest.mark.rule("SC-046")
def test_who_is_too_busy_is_not_asked_before_its_time_by_hand_either(
    submit: Submit, dana: User, acme_northgate: Subscription
) -> None:
    request = submit()
    again_at = timezone.now() + timedelta(seconds=60)
    services.record_unavailable(
        mitigation_id=legs(request)[0].pk, code="5.03", reason="", retry_at=again_at, now=NOW
    )

    with pytest.raises(Conflict, match=f"{again_at:%H:%M:%S} UTC"):
        services.ask_provider(request_id=request.pk, actor=dana, subscription_id=acme_northgate.pk)


# withdrawing one


@pytest.fixture
def both(submit: Submit) -> MitigationRequest:
    """Northgate and Tidewall filter."""
    request = submit(Strategy.PARALLEL)
    for leg in legs(request):
        confirm(leg)
        report(leg, Trigger.FILTERING)
    return request


def test_one_is_told_to_stop_and_the_other_goes_on(both: MitigationRequest, dana: User) -> None:
    first, second = legs(both)

    services.withdraw_provider(request_id=both.pk, mitigation_id=first.pk, actor=dana)

    first, second = legs(both)
    assert (first.status, first.wanted, first.withdrawn_by) == ("terminating", "withdrawn", dana)
    assert (second.status, second.wanted) == ("mitigating", "active")
    assert status_of(both) == "mitigating"
    event = Event.objects.get(type="mitigation.withdraw_requested")
    assert (event.actor, event.mitigation) == (dana, first)


def test_withdrawing_twice_is_one_withdrawal(
    both: MitigationRequest, dana: User, alice: User
) -> None:
    first = legs(both)[0]

    for actor in (dana, alice):
        services.withdraw_provider(request_id=both.pk, mitigation_id=first.pk, actor=actor)

    assert legs(both)[0].withdrawn_by == dana
    assert Event.objects.filter(type="mitigation.withdraw_requested").count() == 1


def test_the_last_one_that_may_filter_is_not_withdrawn(both: MitigationRequest, dana: User) -> None:
    first, second = legs(both)
    services.withdraw_provider(request_id=both.pk, mitigation_id=first.pk, actor=dana)

    with pytest.raises(Conflict, match="Tidewall is the only one that may be filtering") as caught:
        services.withdraw_provider(request_id=both.pk, mitigation_id=second.pk, actor=dana)

    assert caught.value.code == "last-one"
    assert legs(both)[1].wanted == "active"


def test_who_refused_does_not_count_as_help(submit: Submit, dana: User) -> None:
    request = submit(Strategy.PARALLEL)
    first, second = legs(request)
    confirm(first)
    refuse(second)

    with pytest.raises(Conflict):
        services.withdraw_provider(request_id=request.pk, mitigation_id=first.pk, actor=dana)

    services.withdraw_provider(request_id=request.pk, mitigation_id=second.pk, actor=dana)
    assert services.mark_due_again(now=NOW + timedelta(days=1)) == 0


def test_what_never_left_is_dropped_without_a_word(submit: Submit, dana: User) -> None:
    request = submit(Strategy.PARALLEL)
    first, second = legs(request)
    confirm(first)

    services.withdraw_provider(request_id=request.pk, mitigation_id=second.pk, actor=dana)

    assert legs(request)[1].status == "terminated"
    assert not services.record_sending(mitigation_id=second.pk, now=NOW)


def test_a_leg_of_another_request_is_not_found(
    both: MitigationRequest, submit: Submit, dana: User
) -> None:
    other = submit()

    with pytest.raises(NotFound):
        services.withdraw_provider(request_id=other.pk, mitigation_id=legs(both)[0].pk, actor=dana)


def test_the_order_does_not_bring_back_whom_a_person_withdrew(
    submit: Submit, dana: User, acme_harbour: Subscription
) -> None:
    request = submit()
    services.ask_provider(request_id=request.pk, actor=dana)
    first, second = legs(request)
    confirm(second)
    services.withdraw_provider(request_id=request.pk, mitigation_id=first.pk, actor=dana)
    assert names(request) == ["Northgate", "Tidewall"]

    report(second, Trigger.CAPACITY_EXCEEDED)

    assert names(request) == ["Northgate", "Tidewall", "Harbour"]


def test_whom_a_person_withdrew_can_be_asked_anew_under_another_mid(
    both: MitigationRequest, dana: User, acme_northgate: Subscription
) -> None:
    services.withdraw_provider(request_id=both.pk, mitigation_id=legs(both)[0].pk, actor=dana)

    services.ask_provider(request_id=both.pk, actor=dana, subscription_id=acme_northgate.pk)

    old, new = both.mitigations.filter(subscription=acme_northgate).order_by("mid")
    assert (old.wanted, new.wanted, new.status) == ("withdrawn", "active", "pending")
    assert new.mid > old.mid
    assert new.position == old.position


def test_terminating_keeps_who_was_withdrawn_before_by_whom(
    both: MitigationRequest, dana: User, alice: User
) -> None:
    services.withdraw_provider(request_id=both.pk, mitigation_id=legs(both)[0].pk, actor=dana)

    services.terminate(request_id=both.pk, actor=alice)

    assert [leg.withdrawn_by for leg in legs(both)] == [dana, None]
    assert status_of(both) == "terminating"


def test_a_request_fails_when_only_who_was_withdrawn_still_winds_down(
    submit: Submit, dana: User
) -> None:
    request = submit(Strategy.PARALLEL)
    first, second = legs(request)
    confirm(first)
    sent(second)
    services.withdraw_provider(request_id=request.pk, mitigation_id=first.pk, actor=dana)

    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))

    assert status_of(request) == "failing"


def test_a_termination_waits_for_whoever_was_withdrawn_and_asked_anew(
    both: MitigationRequest, dana: User, acme_northgate: Subscription
) -> None:
    old = legs(both)[0]
    services.withdraw_provider(request_id=both.pk, mitigation_id=old.pk, actor=dana)
    services.ask_provider(request_id=both.pk, actor=dana, subscription_id=acme_northgate.pk)
    services.terminate(request_id=both.pk, actor=dana)

    for leg in legs(both):
        if leg.pk != old.pk and leg.status == "terminating":
            report(leg, Trigger.ENDED)
    assert status_of(both) == "terminating"

    report(old, Trigger.ENDED)
    assert status_of(both) == "terminated"


# late acceptance


@pytest.fixture
def late(submit: Submit, acme: Organization) -> MitigationRequest:
    """Northgate was silent, Tidewall was asked and filters, and now Northgate accepts."""
    acme.late_acceptance = LateAcceptance.WITHDRAW_LATER
    acme.save()
    request = submit()
    first = legs(request)[0]
    sent(first)
    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))
    second = legs(request)[1]
    confirm(second)
    report(second, Trigger.FILTERING)
    confirm(first)
    return request


def test_an_acceptance_alone_takes_nobody_away(late: MitigationRequest) -> None:
    assert [leg.status for leg in legs(late)] == ["in_progress", "mitigating"]
    assert [leg.wanted for leg in legs(late)] == ["active", "active"]


def test_the_later_one_is_withdrawn_in_the_same_breath_as_the_earlier_one_filters(
    late: MitigationRequest,
) -> None:
    report(legs(late)[0], Trigger.FILTERING)

    first, second = legs(late)
    assert (first.status, second.status, second.wanted) == (
        "mitigating",
        "terminating",
        "withdrawn",
    )
    assert second.withdrawn_because == "Northgate reports that it is filtering"
    assert status_of(late) == "mitigating"
    event = Event.objects.get(type="mitigation.withdraw_requested")
    assert (event.actor, event.mitigation) == (None, second)


def test_whoever_was_withdrawn_by_policy_is_asked_again_once_and_then_stays(
    late: MitigationRequest,
) -> None:
    first = legs(late)[0]
    report(first, Trigger.FILTERING)
    report(first, Trigger.CAPACITY_EXCEEDED)

    third = late.mitigations.get(wanted="active", because="Northgate is over capacity")
    confirm(third)
    report(first, Trigger.FILTERING)
    third.refresh_from_db()
    assert third.wanted == "active"


def test_policy_leaves_whom_a_person_asked(submit: Submit, acme: Organization, dana: User) -> None:
    acme.late_acceptance = LateAcceptance.WITHDRAW_LATER
    acme.save()
    request = submit()
    services.ask_provider(request_id=request.pk, actor=dana)
    first, second = legs(request)
    for leg in (second, first):
        confirm(leg)
        report(leg, Trigger.FILTERING)

    assert [leg.wanted for leg in legs(request)] == ["active", "active"]


def test_without_that_policy_both_stay(submit: Submit) -> None:
    request = submit()
    first = legs(request)[0]
    sent(first)
    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))
    second = legs(request)[1]
    for leg in (second, first):
        confirm(leg)
        report(leg, Trigger.FILTERING)

    assert [leg.wanted for leg in legs(request)] == ["active", "active"]


# what each may protect


@pytest.fixture
def limited(acme_northgate: Subscription, acme_tidewall: Subscription) -> None:
    Subscription.objects.filter(pk=acme_northgate.pk).update(limited_to=["203.0.113.0/28"])
    Subscription.objects.filter(pk=acme_tidewall.pk).update(limited_to=["203.0.113.16/28"])


OLD, NEW = "203.0.113.1/32", "203.0.113.17/32"


@pytest.fixture
def mixed(submit: Submit, limited: None) -> MitigationRequest:
    return submit(resources=(), prefixes=(OLD, NEW))


def test_each_provider_gets_only_what_it_may_protect_and_all_are_asked_at_once(
    mixed: MitigationRequest,
) -> None:
    first, second = mixed.mitigations.all()

    assert first.scope["prefixes"] == [OLD]
    assert second.scope["prefixes"] == [NEW]
    assert (first.because, second.because) == ("", "")


def test_when_the_one_that_may_protect_it_refuses_nobody_else_is_asked(
    mixed: MitigationRequest,
) -> None:
    first, second = legs(mixed)
    confirm(first)

    refuse(second)

    mixed.refresh_from_db()
    assert len(legs(mixed)) == 2
    assert (mixed.status, mixed.has_gap) == ("in_progress", True)


def test_who_refused_its_part_is_asked_again_while_the_other_part_is_helped(
    mixed: MitigationRequest,
) -> None:
    first, second = legs(mixed)
    confirm(first)
    refuse(second)

    assert services.mark_due_again(now=timezone.now() + timedelta(seconds=31)) == 1
    second.refresh_from_db()
    assert second.status == "pending"


def test_a_limit_that_came_later_holds_for_the_next_one_to_be_asked(
    submit: Submit, acme_tidewall: Subscription
) -> None:
    request = submit()
    Subscription.objects.filter(pk=acme_tidewall.pk).update(limited_to=["2001:db8::/32"])

    refuse(legs(request)[0])

    assert names(request) == ["Northgate"]


# locks


@pytest.mark.parametrize("act", ["submit", "ask", "refused", "session"])
def test_the_event_counter_is_locked_before_any_subscription(
    submit: Submit, dana: User, acme_northgate: Subscription, act: str
) -> None:
    request = submit()
    with CaptureQueriesContext(connection) as queries:
        if act == "submit":
            submit()
        elif act == "ask":
            services.ask_provider(request_id=request.pk, actor=dana)
        elif act == "refused":
            refuse(legs(request)[0])
        else:
            Subscription.objects.filter(pk=acme_northgate.pk).update(owner="me")
            queries.initial_queries = len(connection.queries_log)
            record_session(
                subscription_id=acme_northgate.pk, owner="me", state=SessionState.DOWN, now=NOW
            )

    statements = [one["sql"] for one in queries.captured_queries]
    counter = _first(statements, 'UPDATE "mitigations_eventcounter"')
    assert counter < _first(statements, 'UPDATE "providers_subscription"')


def _first(statements: list[str], begins: str) -> int:
    return next(index for index, one in enumerate(statements) if one.startswith(begins))
