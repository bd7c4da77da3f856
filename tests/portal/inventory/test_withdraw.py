"""Withdrawals of unknown mitigations, and what they withdraw."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.inventory import services
from portal.inventory.models import Ending, UnknownMitigation
from portal.inventory.queries import released_for, withdrawal_is_due
from portal.mitigations.release import MAX_RELEASE_PAUSE, MAX_RELEASE_TRIES
from portal.providers.models import Subscription
from tests.portal.inventory.conftest import Record, event_data, one, reported
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm, mitigations_of

NOW = timezone.now()


def test_withdrawing_twice_is_one_withdrawal(record: Record, dana: User, alice: User) -> None:
    record(reported(4))

    services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))
    again = services.withdraw(unknown_id=one().pk, actor=Actor.person(alice))

    assert again.withdrawn_by == dana
    assert [event["type"] for event in event_data()] == ["found", "withdraw_requested"]


RESTORED = [
    # the mitigation a person withdrew, what the provider holds under that mid now, and whether they
    # are the same
    pytest.param({}, {}, True, id="the same"),
    pytest.param({}, {"prefix": "203.0.113.5/26", "dots_status": 3}, True, id="spelled otherwise"),
    pytest.param({}, {"more": {"prefixes": []}}, True, id="not described"),
    pytest.param({"more": {"prefixes": []}}, {}, True, id="not described then"),
    pytest.param({}, {"prefix": "203.0.113.64/26"}, False, id="other addresses"),
    pytest.param({}, {"prefix": "203.0.113.0/27"}, False, id="some of the addresses"),
    pytest.param({}, {"more": {"fqdns": ["shop.example"]}}, False, id="a name too"),
    pytest.param({}, {"more": {"aliases": ["shop"]}}, False, id="an alias too"),
    pytest.param({}, {"protocols": [6]}, False, id="other traffic"),
]


@pytest.mark.parametrize(("before", "now", "is_same"), RESTORED)
def test_a_withdrawal_applies_to_the_mitigation_not_to_its_mid(
    record: Record, dana: User, before: dict[str, Any], now: dict[str, Any], *, is_same: bool
) -> None:
    record(reported(4, **before))
    asked = services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))

    record(reported(4, **now))

    still = UnknownMitigation.objects.get(ended_at=None)
    assert (still == asked) is is_same
    assert (still.withdrawal_asked_at is not None) is is_same
    if not is_same:
        assert UnknownMitigation.objects.get(pk=asked.pk).ending == Ending.GONE


def test_the_first_and_last_confirmation_are_saved(record: Record, dana: User) -> None:
    record(reported(4))
    services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))
    later = NOW + timedelta(minutes=2)

    services.record_withdrawal_confirmed(unknown_id=one().pk, now=NOW)
    services.record_withdrawal_confirmed(unknown_id=one().pk, now=later)

    assert (one().withdrawal_confirmed_at, one().told_at) == (NOW, later)
    assert event_data()[-1]["told"] is True
    assert len(event_data()) == 3


def test_a_refused_withdrawal_makes_one_event(record: Record, dana: User) -> None:
    record(reported(4))
    services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))
    for _ in range(3):
        services.record_withdrawal_refused(unknown_id=one().pk, code="4.03", now=NOW)

    assert one().refusal_code == "4.03"
    assert len(event_data()) == 3
    services.record_withdrawal_confirmed(unknown_id=one().pk, now=NOW)
    assert one().refusal_code == ""


def test_the_portal_stops_after_the_last_try_to_release_a_plan(record: Record, dana: User) -> None:
    plan = reported(4, dots_status=8, is_preconfigured=True)
    record(plan, at=NOW)
    services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))
    services.record_withdrawal_confirmed(unknown_id=one().pk, now=NOW)
    # That report may have been sent before.
    record(plan, at=NOW + timedelta(seconds=1))
    assert not services.record_release(unknown_id=one().pk, now=NOW)

    record(plan, at=NOW + timedelta(seconds=5))
    now, tries = NOW + timedelta(seconds=5), 0
    while withdrawal_is_due(one(), now):
        assert services.record_release(unknown_id=one().pk, now=now)
        assert not withdrawal_is_due(one(), now)
        now, tries = now + MAX_RELEASE_PAUSE, tries + 1

    assert tries == one().release_tries == MAX_RELEASE_TRIES
    assert not services.record_release(unknown_id=one().pk, now=now)
    changes = [event["tries"] for event in event_data() if event.get("why") == "still_held"]
    assert changes == [1, MAX_RELEASE_TRIES]
    record(answered_mids=[4], at=now)
    assert one().ending == Ending.GONE


PUT_ASIDE = [
    pytest.param({}, True, id="stopped for it"),
    pytest.param({"prefix": "203.0.113.64/26"}, False, id="other addresses"),
    pytest.param({"dots_status": 2}, False, id="filters"),
    pytest.param({"subscription": "tidewall"}, False, id="at another provider"),
]


@pytest.mark.parametrize(("fields", "is_ours"), PUT_ASIDE)
def test_the_request_for_which_a_provider_released_a_plan_is_found(
    record: Record,
    submit: Submit,
    acme_tidewall: Subscription,
    fields: dict[str, Any],
    *,
    is_ours: bool,
) -> None:
    request = submit(subscriptions=())
    [mitigation] = mitigations_of(request)
    where = {"subscription": acme_tidewall} if "subscription" in fields else {}
    fields = {name: value for name, value in fields.items() if name != "subscription"}
    record(reported(40, **{"dots_status": 7, "is_preconfigured": True, **fields}), **where)
    assert released_for(one()) is None

    confirm(mitigation)

    assert released_for(one()) == (mitigation if is_ours else None)


@pytest.mark.parametrize("what", ["withdraw", "told", "refused"])
def test_an_ended_mitigation_does_not_change(record: Record, dana: User, what: str) -> None:
    record(reported(4))
    record(answered_mids=[4])
    match what:
        case "withdraw":
            services.withdraw(unknown_id=one().pk, actor=Actor.person(dana))
        case "told":
            services.record_withdrawal_confirmed(unknown_id=one().pk, now=NOW)
        case _:
            services.record_withdrawal_refused(unknown_id=one().pk, code="4.03", now=NOW)

    assert (one().withdrawal_asked_at, one().told_at, one().refusal_code) == (None, None, "")
    assert len(event_data()) == 2
