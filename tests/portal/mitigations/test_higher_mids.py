"""A mitigation gives up a mid that the provider uses for another one, a limited number of times."""

from __future__ import annotations

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.events.models import EventType
from portal.events.queries import of_mitigation
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.mitigations.services.mids import MAX_HIGHER_MIDS
from portal.mitigations.states import Status
from portal.providers.models import Subscription
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm, mitigations_of, refuse, sent, status_of


def take(
    mitigation: Mitigation, *, to: int, mid: int | None = None, is_listed: bool = True
) -> int | None:
    return services.take_higher_mid(
        mitigation_id=mitigation.pk,
        refused_mid=mitigation.mid if mid is None else mid,
        to=to,
        is_listed=is_listed,
        is_in_use=True,
        now=timezone.now(),
    )


def next_mid(subscription: Subscription) -> int:
    return Subscription.objects.get(pk=subscription.pk).next_mid


def test_the_counter_is_raised_and_never_lowered(acme_northgate: Subscription) -> None:
    assert services.raise_next_mid(subscription_id=acme_northgate.pk, to=17)
    assert not services.raise_next_mid(subscription_id=acme_northgate.pk, to=17)
    assert not services.raise_next_mid(subscription_id=acme_northgate.pk, to=3)

    assert next_mid(acme_northgate) == 17


def test_a_mitigation_continues_above_the_mids_in_use(
    submit: Submit, acme_northgate: Subscription
) -> None:
    request = submit()
    [mitigation] = mitigations_of(request)
    sent(mitigation)

    assert take(mitigation, to=41) == 41

    [mitigation] = mitigations_of(request)
    assert (mitigation.mid, mitigation.status) == (41, Status.PENDING)
    assert next_mid(acme_northgate) == 42
    assert status_of(request) == "requesting"
    event = of_mitigation(mitigation.pk, EventType.MITIGATION_STATUS).get()
    assert (event.data["refused_mid"], event.data["mid"]) == (1, 41)


def test_repeating_the_step_gives_the_same_mid(
    submit: Submit, acme_northgate: Subscription
) -> None:
    [mitigation] = mitigations_of(submit())

    assert [take(mitigation, to=41, mid=1), take(mitigation, to=77, mid=1)] == [41, 41]
    assert next_mid(acme_northgate) == 42


def test_a_mitigation_takes_a_higher_mid_a_limited_number_of_times(
    submit: Submit, acme_northgate: Subscription
) -> None:
    request = submit()
    for _ in range(MAX_HIGHER_MIDS):
        [mitigation] = mitigations_of(request)
        assert take(mitigation, to=mitigation.mid + 1) == mitigation.mid + 1

    [mitigation] = mitigations_of(request)
    assert take(mitigation, to=mitigation.mid + 1) is None
    assert next_mid(acme_northgate) == mitigation.mid + 1 == MAX_HIGHER_MIDS + 2


def test_without_a_list_the_steps_grow(submit: Submit) -> None:
    request = submit()
    found = []
    for _ in range(5):
        [mitigation] = mitigations_of(request)
        found.append(take(mitigation, to=mitigation.mid + 1, is_listed=False))

    assert found == [2, 4, 8, 16, 32]


@pytest.mark.parametrize("what", ["confirmed", "terminated"])
def test_a_confirmed_or_withdrawn_mitigation_keeps_its_mid(submit: Submit, what: str) -> None:
    request = submit()
    [mitigation] = mitigations_of(request)
    if what == "confirmed":
        confirm(mitigation)
    else:
        sent(mitigation)
        services.terminate(request_id=request.pk, actor=Actor.portal())

    assert take(mitigation, to=41) is None
    assert mitigations_of(request)[0].mid == 1


def test_an_ambiguous_refusal_is_retried_with_another_mid(submit: Submit) -> None:
    [mitigation] = mitigations_of(submit())
    sent(mitigation)
    refuse(mitigation)

    taken = services.take_higher_mid(
        mitigation_id=mitigation.pk, refused_mid=1, to=2, is_listed=False, is_in_use=False,
        now=timezone.now(),
    )  # fmt: skip

    mitigation.refresh_from_db()
    assert (taken, mitigation.mid, mitigation.status) == (2, 2, Status.REFUSED)
    assert mitigation.retry_at is not None
