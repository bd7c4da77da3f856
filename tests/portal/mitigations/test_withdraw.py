from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core.errors import Conflict, NotFound
from portal.events.models import Event
from portal.mitigations import services
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import Trigger
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import (
    NOW,
    confirm,
    mitigations_of,
    names,
    refuse,
    report,
    sent,
    status_of,
)


@pytest.fixture
def both(submit: Submit) -> MitigationRequest:
    """Northgate and Tidewall filter."""
    request = submit(Strategy.PARALLEL)
    for mitigation in mitigations_of(request):
        confirm(mitigation)
        report(mitigation, Trigger.FILTERING)
    return request


def test_one_provider_is_withdrawn_and_the_other_continues(
    both: MitigationRequest, dana: User
) -> None:
    first, second = mitigations_of(both)

    services.withdraw_provider(request_id=both.pk, mitigation_id=first.pk, actor=Actor.person(dana))

    first, second = mitigations_of(both)
    assert (first.status, first.wanted, first.withdrawn_by) == ("terminating", "withdrawn", dana)
    assert (second.status, second.wanted) == ("mitigating", "active")
    assert status_of(both) == "mitigating"
    event = Event.objects.get(type="mitigation.withdraw_requested")
    assert (event.actor, event.mitigation_id) == (dana, first.pk)


def test_withdrawing_twice_is_one_withdrawal(
    both: MitigationRequest, dana: User, alice: User
) -> None:
    first = mitigations_of(both)[0]

    for actor in (dana, alice):
        services.withdraw_provider(
            request_id=both.pk, mitigation_id=first.pk, actor=Actor.person(actor)
        )

    assert mitigations_of(both)[0].withdrawn_by == dana
    assert Event.objects.filter(type="mitigation.withdraw_requested").count() == 1


def test_the_last_provider_that_may_filter_cannot_be_withdrawn(
    both: MitigationRequest, dana: User
) -> None:
    first, second = mitigations_of(both)
    services.withdraw_provider(request_id=both.pk, mitigation_id=first.pk, actor=Actor.person(dana))

    with pytest.raises(
        Conflict, match="Tidewall is the only provider that may be filtering"
    ) as caught:
        services.withdraw_provider(
            request_id=both.pk, mitigation_id=second.pk, actor=Actor.person(dana)
        )

    assert caught.value.code == "last-one"
    assert mitigations_of(both)[1].wanted == "active"


def test_a_provider_that_refused_does_not_count_as_help(submit: Submit, dana: User) -> None:
    request = submit(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    confirm(first)
    refuse(second)

    with pytest.raises(Conflict):
        services.withdraw_provider(
            request_id=request.pk, mitigation_id=first.pk, actor=Actor.person(dana)
        )

    services.withdraw_provider(
        request_id=request.pk, mitigation_id=second.pk, actor=Actor.person(dana)
    )
    assert services.mark_due_again(now=NOW + timedelta(days=1)) == 0


def test_an_unsent_mitigation_is_dropped_without_a_message(submit: Submit, dana: User) -> None:
    request = submit(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    confirm(first)

    services.withdraw_provider(
        request_id=request.pk, mitigation_id=second.pk, actor=Actor.person(dana)
    )

    assert mitigations_of(request)[1].status == "terminated"
    assert not services.record_sending(mitigation_id=second.pk, now=NOW)


def test_a_mitigation_of_another_request_is_not_found(
    both: MitigationRequest, submit: Submit, dana: User
) -> None:
    other = submit()

    with pytest.raises(NotFound):
        services.withdraw_provider(
            request_id=other.pk, mitigation_id=mitigations_of(both)[0].pk, actor=Actor.person(dana)
        )


def test_failover_does_not_ask_a_provider_that_a_person_withdrew(
    submit: Submit, dana: User, acme_harbour: Subscription
) -> None:
    request = submit()
    services.ask_provider(request_id=request.pk, actor=Actor.person(dana))
    first, second = mitigations_of(request)
    confirm(second)
    services.withdraw_provider(
        request_id=request.pk, mitigation_id=first.pk, actor=Actor.person(dana)
    )
    assert names(request) == ["Northgate", "Tidewall"]

    report(second, Trigger.CAPACITY_EXCEEDED)

    assert names(request) == ["Northgate", "Tidewall", "Harbour"]


def test_a_person_can_ask_a_withdrawn_provider_again_under_a_new_mid(
    both: MitigationRequest, dana: User, acme_northgate: Subscription
) -> None:
    services.withdraw_provider(
        request_id=both.pk, mitigation_id=mitigations_of(both)[0].pk, actor=Actor.person(dana)
    )

    services.ask_provider(
        request_id=both.pk, actor=Actor.person(dana), subscription_id=acme_northgate.pk
    )

    old, new = both.mitigations.filter(subscription=acme_northgate).order_by("mid")
    assert (old.wanted, new.wanted, new.status) == ("withdrawn", "active", "pending")
    assert new.mid > old.mid
    assert new.position == old.position


def test_terminating_keeps_the_person_who_withdrew_a_provider_before(
    both: MitigationRequest, dana: User, alice: User
) -> None:
    services.withdraw_provider(
        request_id=both.pk, mitigation_id=mitigations_of(both)[0].pk, actor=Actor.person(dana)
    )

    services.terminate(request_id=both.pk, actor=Actor.person(alice))

    assert [mitigation.withdrawn_by for mitigation in mitigations_of(both)] == [dana, None]
    assert status_of(both) == "terminating"


def test_a_request_fails_when_only_a_withdrawn_provider_winds_down(
    submit: Submit, dana: User
) -> None:
    request = submit(Strategy.PARALLEL)
    first, second = mitigations_of(request)
    confirm(first)
    sent(second)
    services.withdraw_provider(
        request_id=request.pk, mitigation_id=first.pk, actor=Actor.person(dana)
    )

    services.mark_overdue(now=timezone.now() + timedelta(seconds=60))

    assert status_of(request) == "failing"


def test_a_termination_waits_for_both_mitigations_of_one_provider(
    both: MitigationRequest, dana: User, acme_northgate: Subscription
) -> None:
    old = mitigations_of(both)[0]
    services.withdraw_provider(request_id=both.pk, mitigation_id=old.pk, actor=Actor.person(dana))
    services.ask_provider(
        request_id=both.pk, actor=Actor.person(dana), subscription_id=acme_northgate.pk
    )
    services.terminate(request_id=both.pk, actor=Actor.person(dana))

    for mitigation in mitigations_of(both):
        if mitigation.pk != old.pk and mitigation.status == "terminating":
            report(mitigation, Trigger.ENDED)
    assert status_of(both) == "terminating"

    report(old, Trigger.ENDED)
    assert status_of(both) == "terminated"
