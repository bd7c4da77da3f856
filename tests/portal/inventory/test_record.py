"""Unknown mitigations: what is saved about them, and when they end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import JSONField, Value
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.inventory import services
from portal.inventory.models import Ending, Inventory, UnknownMitigation
from portal.inventory.services import FOUND_WITHIN, MAX_UNKNOWN, RETENTION, EmptyInventory
from portal.mitigations import services as mitigations
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


def test_answers_without_anything_unknown_are_saved_together(
    acme_northgate: Subscription, globex_northgate: Subscription, record: Record
) -> None:
    record(refusal="4.01", at=NOW)
    answers = [
        EmptyInventory(acme_northgate.pk, "", NOW + timedelta(seconds=1)),
        EmptyInventory(globex_northgate.pk, "silence", NOW + timedelta(seconds=2)),
    ]

    assert services.record_inventories(answers) == {acme_northgate.pk, globex_northgate.pk}

    listed = Inventory.objects.get(subscription=acme_northgate)
    assert (listed.refusal, listed.asked_at, listed.told_at) == ("", answers[0].at, answers[0].at)
    silent = Inventory.objects.get(subscription=globex_northgate)
    assert (silent.refusal, silent.asked_at, silent.told_at) == ("silence", answers[1].at, None)


def test_a_refusal_leaves_when_the_last_list_came(
    acme_northgate: Subscription, record: Record
) -> None:
    record(at=NOW)

    services.record_inventories([EmptyInventory(acme_northgate.pk, "5.03", timezone.now())])

    inventory = Inventory.objects.get()
    assert (inventory.refusal, inventory.told_at) == ("5.03", NOW)


def test_an_answer_is_compared_while_something_unknown_is_open(
    acme_northgate: Subscription, globex_northgate: Subscription, record: Record
) -> None:
    record(reported(), at=NOW)
    answers = [
        EmptyInventory(one.pk, "", timezone.now()) for one in (acme_northgate, globex_northgate)
    ]

    assert services.record_inventories(answers) == {globex_northgate.pk}
    assert Inventory.objects.get(subscription=acme_northgate).asked_at == NOW
