from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf

URL = "/api/v1/organizations/acme/mitigation-requests"
NEW = {"targets": {"prefixes": ["203.0.113.7/32"]}}


@pytest.fixture(autouse=True)
def _prepared(shop: ProtectedResource, acme_northgate: Subscription) -> None:
    """Acme may protect 203.0.113.0/26, at Northgate."""


@pytest.fixture
def asked(dana: User, api_of: ApiOf) -> MitigationRequest:
    api_of(dana).post(URL, NEW)
    return MitigationRequest.objects.get()


def test_the_list_is_newest_first_and_can_be_filtered(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    api = api_of(dana)
    services.terminate(request_id=asked.pk, actor=Actor.person(dana))
    live = api.post(URL, NEW).json()["id"]

    everything = [one["id"] for one in api.get(URL).json()["results"]]
    ended = [one["id"] for one in api.get(f"{URL}?status=terminated").json()["results"]]

    assert everything == [live, str(asked.pk)]
    assert ended == [str(asked.pk)]


def test_plans_and_drills_are_listed_only_when_asked_for(
    dana: User, acme: Organization, api_of: ApiOf, asked: MitigationRequest
) -> None:
    submission = Submission(prefixes=("203.0.113.9/32",))
    plan = services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=submission,
        kind=RequestKind.STANDBY,
        name="Plan",
    )
    api = api_of(dana)

    def listed(query: str) -> list[tuple[str, str]]:
        return [(one["id"], one["kind"]) for one in api.get(f"{URL}{query}").json()["results"]]

    assert listed("") == [(str(asked.pk), "immediate")]
    assert listed("?kind=standby") == [(str(plan.pk), "standby")]
    assert len(listed("?kind=immediate,standby&kind=drill")) == 2
    assert api.get(f"{URL}/{plan.pk}").json()["name"] == "Plan"


@pytest.mark.parametrize("name", ["status", "kind"])
def test_an_unknown_filter_is_refused(dana: User, api_of: ApiOf, name: str) -> None:
    answer = api_of(dana).get(f"{URL}?{name}=burning")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == name


def test_the_number_of_queries_does_not_grow_with_the_list(
    dana: User, acme: Organization, api_of: ApiOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api = api_of(dana)
    for last in range(5):
        api.post(URL, {"targets": {"prefixes": [f"203.0.113.{last}/32"]}})

    # the token and its membership, the rows, their mitigations, subscriptions, providers, resources
    with django_assert_num_queries(6):
        assert len(api.get(URL).json()["results"]) == 5


def test_counters_are_whole_numbers_of_any_size(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    Mitigation.objects.update(bytes_dropped=2**63 - 1, bps_dropped=0)

    [mitigation] = api_of(dana).get(f"{URL}/{asked.pk}").json()["mitigations"]

    assert mitigation["counters"]["bytes_dropped"] == 2**63 - 1
    assert mitigation["counters"]["bps_dropped"] == 0


def test_a_refusal_has_code_and_reason(dana: User, api_of: ApiOf, asked: MitigationRequest) -> None:
    Mitigation.objects.update(refusal_code="4.09", refusal_reason="Overlap")

    [mitigation] = api_of(dana).get(f"{URL}/{asked.pk}").json()["mitigations"]

    assert mitigation["refusal"] == {"code": "4.09", "reason": "Overlap"}
