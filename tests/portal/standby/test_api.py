from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from portal.accounts.models import User
from portal.core.targets import PortRange
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from portal.standby import services
from portal.standby.models import StandbyPlan
from tests.conftest import ApiOf
from tests.portal.standby.conftest import Prepare, again, holds, mitigations_of

PLANS = "/api/v1/organizations/acme/standby-plans"
DRILLS = "/api/v1/organizations/acme/drills"
NEW = {"name": "Shop, full flood", "targets": {"prefixes": ["203.0.113.0/27"]}}


@pytest.fixture(autouse=True)
def _prepared(
    shop: ProtectedResource, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    """Acme may protect 203.0.113.0/26, at two providers."""


def test_a_plan_needs_a_name_and_a_target(dana: User, api_of: ApiOf) -> None:
    answer = api_of(dana).post(PLANS, NEW)

    body = answer.json()
    plan = StandbyPlan.objects.get()
    assert answer.status_code == 201
    assert answer["Location"] == f"{PLANS}/{plan.pk}"
    assert (body["name"], body["on"]) == ("Shop, full flood", True)
    assert body["request"]["kind"] == "standby"
    assert body["request"]["lifetime"] == 86400
    assert [(one["provider"], one["held"]) for one in body["holders"]] == [
        ("Northgate Scrubbing", False),
        ("Tidewall", False),
    ]
    assert api_of(dana).post(PLANS, {"name": "x"}).status_code == 400


def test_every_wrong_field_is_named(dana: User, api_of: ApiOf) -> None:
    answer = api_of(dana).post(
        PLANS, {"name": "a\u0007", "targets": {"prefixes": ["198.51.100.0/24"]}, "lifetime": 1}
    )

    fields = [one["field"] for one in answer.json()["errors"]]
    assert answer.status_code == 400
    assert fields == ["name", "targets.prefixes.0", "lifetime"]


def test_the_same_key_returns_the_same_plan(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    first = api.post(PLANS, NEW, headers={"Idempotency-Key": "k1"}).json()

    same = api.post(PLANS, NEW, headers={"Idempotency-Key": "k1"})
    other = api.post(PLANS, {**NEW, "name": "Other"}, headers={"Idempotency-Key": "k1"})

    assert (same.status_code, same.json()["id"]) == (201, first["id"])
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_a_key_used_for_a_request_cannot_be_reused_for_a_plan(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    requests = "/api/v1/organizations/acme/mitigation-requests"
    api.post(requests, {"targets": NEW["targets"]}, headers={"Idempotency-Key": "k1"})

    answer = api.post(PLANS, NEW, headers={"Idempotency-Key": "k1"})

    assert answer.status_code == 422
    assert not StandbyPlan.objects.exists()


def test_the_list_shows_who_holds_each_plan_with_constant_queries(
    dana: User,
    prepare: Prepare,
    api_of: ApiOf,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for index in range(4):
        plan = prepare(f"Plan {index}", resources=(), prefixes=(f"203.0.113.{index}/32",))
        holds(mitigations_of(plan.request)[0])
    api = api_of(dana)
    api.get("/api/v1/me")

    # token and membership, the plans, their mitigations, subscriptions, providers, resources
    with django_assert_num_queries(6):
        results = api.get(PLANS).json()["results"]

    assert [one["name"] for one in results] == [f"Plan {index}" for index in range(4)]
    assert [one["held"] for one in results[0]["holders"]] == [True, False]


def test_a_change_contains_only_the_changed_fields(
    dana: User, prepare: Prepare, api_of: ApiOf
) -> None:
    plan = prepare(ports=(PortRange(80, 80),))
    api = api_of(dana)

    answer = api.patch(f"{PLANS}/{plan.pk}", {"protocols": [17], "name": "Shop"})

    body = answer.json()
    assert answer.status_code == 202
    assert body["name"] == "Shop"
    assert body["request"]["protocols"] == [17]
    assert body["request"]["ports"] == [{"lower": 80, "upper": 80}]
    assert body["request"]["targets"]["resources"]


def test_a_plan_is_turned_off_and_on(dana: User, prepare: Prepare, api_of: ApiOf) -> None:
    plan, api = prepare(), api_of(dana)

    assert api.patch(f"{PLANS}/{plan.pk}", {"on": False}).json()["on"] is False
    assert api.patch(f"{PLANS}/{plan.pk}", {"on": True}).json()["on"] is True
    refused = api.patch(f"{PLANS}/{plan.pk}", {"on": False, "protocols": [6]})
    assert (refused.status_code, refused.json()["code"]) == (409, "turns-it-on")
    assert api.delete(f"{PLANS}/{plan.pk}").status_code == 204
    assert api.get(f"{PLANS}/{plan.pk}").status_code == 404
    assert not again(plan).is_on


def test_an_activation_answers_with_the_request(
    dana: User, prepare: Prepare, api_of: ApiOf
) -> None:
    plan, api = prepare(), api_of(dana)

    answer = api.post(f"{PLANS}/{plan.pk}/activate", headers={"Idempotency-Key": "k1"})
    repeated = api.post(f"{PLANS}/{plan.pk}/activate", headers={"Idempotency-Key": "k1"})
    second = api.post(f"{PLANS}/{plan.pk}/activate")

    request = MitigationRequest.objects.get(kind="immediate")
    assert (answer.status_code, answer.json()["id"]) == (202, str(request.pk))
    assert answer["Location"].endswith(f"/mitigation-requests/{request.pk}")
    assert repeated.json()["id"] == str(request.pk)
    assert (second.status_code, second.json()["code"]) == (409, "already-active")
    assert api.get(f"{PLANS}/{plan.pk}").json()["activation"] == str(request.pk)


def test_a_drill_starts_once_and_is_listed_with_its_times(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)

    started = api.post(DRILLS)
    second = api.post(DRILLS)

    assert started.status_code == 202
    assert [one["way"] for one in started.json()["checks"]] == ["request", "request"]
    assert (second.status_code, second.json()["code"]) == (409, "drill-running")
    services.follow_drills(now=timezone.now())
    (listed,) = api.get(DRILLS).json()["results"]
    assert listed["id"] == started.json()["id"]
    assert (listed["started_by"], listed["passed"], listed["ended_at"]) == ("dana", False, None)


def test_another_tenant_finds_no_plan(
    charlie: User, globex_northgate: Subscription, prepare: Prepare, api_of: ApiOf
) -> None:
    plan, api = prepare(), api_of(charlie)
    theirs = f"/api/v1/organizations/globex/standby-plans/{plan.pk}"

    assert api.get(PLANS).status_code == 404
    for answer in (api.get(theirs), api.patch(theirs, {"on": False}), api.delete(theirs)):
        assert answer.status_code == 404
    assert api.post(f"{theirs}/activate").status_code == 404
    assert again(plan).is_on
