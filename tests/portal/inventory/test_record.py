"""Unknown mitigations: what is saved about them, and when they end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import JSONField, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.inventory import services
from portal.inventory.models import Ending, Inventory, UnknownMitigation
from portal.inventory.queries import released_for, withdrawal_is_due
from portal.inventory.services import FOUND_WITHIN, MAX_UNKNOWN, RETENTION
from portal.mitigations import services as mitigations
from portal.mitigations.release import MAX_RELEASE_PAUSE, MAX_RELEASE_TRIES
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.portal.inventory.conftest import CUID, Record, event_data, one, reported
from tests.portal.mitigations.conftest import Submit
from tests.portal.mitigations.rows import confirm, mitigations_of

NOW = timezone.now()


def test_an_unknown_mitigation_is_saved_and_reported_once(
    record: Record, acme: Organization, acme_northgate: Subscription
) -> None:
    record(reported(4), at=NOW)
    record(reported(4), at=NOW + timedelta(seconds=15))

    row = one()
    assert (row.organization, row.subscription, row.mid, row.cuid) == (
        acme,
        acme_northgate,
        4,
        CUID,
    )
    assert row.targets.prefixes == ("203.0.113.0/26",)
    assert (row.found_at, row.reported_at) == (NOW, NOW + timedelta(seconds=15))
    assert row.expires_at == NOW + timedelta(seconds=3615)
    [event] = event_data()
    assert (event["type"], event["unknown_mitigation"], event["mid"]) == ("found", str(row.pk), 4)
    assert event["subscription"] == str(acme_northgate.pk)


@pytest.mark.parametrize("column", ["targets", "ports", "protocols", "filters"])
def test_a_report_replaces_a_value_that_cannot_be_read(record: Record, column: str) -> None:
    record(reported(4))
    UnknownMitigation.objects.update(**{column: Value("unreadable", JSONField())})

    record(reported(4))

    assert one().targets.prefixes == ("203.0.113.0/26",)
    assert getattr(one(), column) is not None
    assert [event["type"] for event in event_data()] == ["found", "changed"]


def test_a_new_status_or_scope_makes_an_event_but_a_lifetime_does_not(record: Record) -> None:
    record(reported(4))
    record(reported(4, lifetime_s=-1))
    record(reported(4, dots_status=3))
    record(reported(4, "203.0.113.0/27", dots_status=3))

    assert [event["type"] for event in event_data()] == ["found", "changed", "changed"]
    assert (one().dots_status, one().targets.prefixes) == (3, ("203.0.113.0/27",))


def test_a_mitigation_ends_when_the_provider_reports_its_end(record: Record) -> None:
    record(reported(4))
    record(answered_mids=[4])

    assert one().is_over
    assert one().ending == Ending.GONE
    assert [event["type"] for event in event_data()] == ["found", "ended"]
    record(answered_mids=[4])
    assert len(event_data()) == 2


def test_a_mitigation_missing_from_a_report_is_kept(record: Record) -> None:
    record(reported(4))
    record(refusal="4.05")
    record()

    assert not one().is_over
    assert Inventory.objects.get().refusal == ""


def test_a_mitigation_that_returns_is_found_again(record: Record) -> None:
    record(reported(4))
    record(answered_mids=[4])
    record(reported(4))

    assert UnknownMitigation.objects.filter(mid=4).count() == 2
    assert UnknownMitigation.objects.get(ended_at=None).mid == 4


def test_the_reason_for_a_missing_list_is_saved(record: Record) -> None:
    record(at=NOW)
    record(refusal="4.05", at=NOW + timedelta(minutes=5))

    inventory = Inventory.objects.get()
    assert (inventory.refusal, inventory.told_at) == ("4.05", NOW)
    assert inventory.asked_at == NOW + timedelta(minutes=5)


def test_a_new_identity_ends_the_unknown_mitigations_of_the_old_one(record: Record) -> None:
    record(reported(4))
    record(cuid="new")

    assert one().ending == Ending.IDENTITY


def test_a_limited_number_is_saved_and_the_rest_counted(record: Record) -> None:
    record(*(reported(mid) for mid in range(MAX_UNKNOWN + 7)))

    rows = UnknownMitigation.objects.order_by("mid").values_list("mid", flat=True)
    assert list(rows) == list(range(7, MAX_UNKNOWN + 7))
    assert Inventory.objects.get().not_kept == 7


def test_a_provider_that_keeps_listing_and_dropping_cannot_fill_the_table(record: Record) -> None:
    for first in range(0, 10 * MAX_UNKNOWN, MAX_UNKNOWN):
        gone = range(first - MAX_UNKNOWN, first)
        record(
            *(reported(mid) for mid in range(first, first + MAX_UNKNOWN)),
            answered_mids=gone,
            at=NOW,
        )

    assert UnknownMitigation.objects.count() == MAX_UNKNOWN
    assert len(event_data()) == 2 * MAX_UNKNOWN
    record(reported(9999), at=NOW + FOUND_WITHIN + timedelta(seconds=1))
    assert UnknownMitigation.objects.filter(mid=9999).exists()


def test_old_unknown_mitigations_are_deleted(record: Record) -> None:
    record(reported(4), at=NOW)
    record(answered_mids=[4], at=NOW)
    record(reported(5), at=NOW + RETENTION + timedelta(seconds=1))

    assert one().mid == 5


def test_a_mitigation_now_owned_by_a_request_is_not_unknown(record: Record, submit: Submit) -> None:
    [mitigation] = mitigations_of(submit())
    confirm(mitigation)

    record(reported(mitigation.mid))

    assert not UnknownMitigation.objects.exists()


def test_an_unknown_mitigation_ends_when_a_request_turns_out_to_own_it(
    record: Record, submit: Submit
) -> None:
    [mitigation] = mitigations_of(submit())
    record(reported(mitigation.mid))
    confirm(mitigation)

    record(answered_mids=[mitigation.mid])

    assert one().ending == Ending.EXPLAINED


def test_an_unknown_mitigation_names_the_ended_request_that_asked_for_it(
    record: Record, submit: Submit
) -> None:
    request = submit()
    [mitigation] = mitigations_of(request)
    confirm(mitigation)
    mitigations.terminate(request_id=mitigation.request_id, actor=Actor.portal())
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=NOW)

    record(reported(mitigation.mid))

    assert one().asked_once == mitigation


def test_an_ended_request_with_the_mid_but_other_targets_is_not_the_origin(
    record: Record, submit: Submit
) -> None:
    [mitigation] = mitigations_of(submit())
    confirm(mitigation)
    mitigations.terminate(request_id=mitigation.request_id, actor=Actor.portal())
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=NOW)

    record(reported(mitigation.mid, "203.0.113.40/32"))

    assert one().asked_once is None


def test_a_mitigation_with_a_reused_mid_is_not_linked_to_the_ended_request(
    record: Record, submit: Submit
) -> None:
    [mitigation] = mitigations_of(submit())
    confirm(mitigation)
    mitigations.terminate(request_id=mitigation.request_id, actor=Actor.portal())
    mitigations.record_forgotten(mitigation_id=mitigation.pk, now=NOW)
    record(reported(mitigation.mid))
    # The provider no longer describes it, or spells it differently: still the same one.
    record(reported(mitigation.mid, more={"prefixes": []}))
    record(reported(mitigation.mid, "203.0.113.0/26", dots_status=3))
    assert one().asked_once == mitigation

    record(reported(mitigation.mid, "203.0.113.40/32"))

    assert one().asked_once is None


def test_no_row_is_locked_while_nothing_is_unknown(record: Record) -> None:
    record()
    with CaptureQueriesContext(connection) as queries:
        record()

    assert not [one for one in queries.captured_queries if "eventcounter" in one["sql"]]


def test_the_event_counter_is_locked_before_the_rows(record: Record) -> None:
    record(reported(4))
    with CaptureQueriesContext(connection) as queries:
        record(reported(4, dots_status=3))

    statements = [one["sql"] for one in queries.captured_queries]
    counter = next(i for i, one in enumerate(statements) if "eventcounter" in one)
    change = next(i for i, one in enumerate(statements) if one.startswith('UPDATE "inventory_unk'))
    assert counter < change


def test_tenants_of_one_provider_are_isolated(
    record: Record, globex: Organization, globex_northgate: Subscription
) -> None:
    record(reported(4))
    record(reported(4), subscription=globex_northgate)
    record(answered_mids=[4], subscription=globex_northgate)

    own, other = UnknownMitigation.objects.order_by("ended_at")
    still = own if not own.is_over else other
    assert still.organization.slug == "acme"


# withdrawing


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
