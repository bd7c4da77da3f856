from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from portal.accounts.models import User
from portal.organizations import services
from portal.organizations.models import Organization, ProtectedResource
from tests.conftest import ApiOf
from tests.factories import ResourceFactory

URL = "/api/v1/organizations/acme/resources"
NEW = {"name": "Shop", "kind": "prefix", "value": "203.0.113.0/26"}


def test_a_new_resource_is_not_verified(dana: User, api_of: ApiOf) -> None:
    answer = api_of(dana).post(URL, NEW)

    assert answer.status_code == 201
    resource = ProtectedResource.objects.get()
    assert answer.json() == {
        "id": str(resource.pk),
        "name": "Shop",
        "kind": "prefix",
        "value": "203.0.113.0/26",
        "verified": False,
        "state": "unproved",
        "because": "Show that it is yours: publish a proof, or ask portal staff.",
        "problem": "",
        "last_used_at": None,
    }


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("prefix", "203.0.113.7", "203.0.113.7/32"),
        ("prefix", "2001:DB8::/32", "2001:db8::/32"),
        ("fqdn", "Shop.Example.COM.", "shop.example.com"),
        ("uri", "https://shop.example.com/", "https://shop.example.com/"),
    ],
)
def test_values_are_saved_in_normal_form(
    dana: User, api_of: ApiOf, kind: str, typed: str, kept: str
) -> None:
    answer = api_of(dana).post(URL, {"name": "Shop", "kind": kind, "value": typed})

    assert answer.json()["value"] == kept


def test_a_prefix_with_host_bits_is_refused_with_a_suggestion(dana: User, api_of: ApiOf) -> None:
    answer = api_of(dana).post(URL, {**NEW, "value": "203.0.113.7/24"})

    assert answer.status_code == 400
    error = answer.json()["errors"][0]
    assert (error["field"], error["code"]) == ("value", "host-bits-set")
    assert [fix["value"] for fix in error["fixes"]] == ["203.0.113.7/32", "203.0.113.0/24"]


def test_name_and_value_are_unique(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    api.post(URL, NEW)

    answer = api.post(URL, NEW)

    assert [error["code"] for error in answer.json()["errors"]] == ["value-exists", "name-exists"]


def test_the_same_key_and_body_return_the_first_answer(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    first = api.post(URL, NEW, headers={"Idempotency-Key": "k"})

    again = api.post(URL, NEW, headers={"Idempotency-Key": "k"})

    assert again.status_code == 201
    assert again.json() == first.json()
    assert ProtectedResource.objects.count() == 1


def test_another_body_with_the_same_key_is_422(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    api.post(URL, NEW, headers={"Idempotency-Key": "k"})

    answer = api.post(URL, {**NEW, "name": "Other"}, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency-key-reused"


def test_two_people_may_use_the_same_key(dana: User, alice: User, api_of: ApiOf) -> None:
    api_of(dana).post(URL, NEW, headers={"Idempotency-Key": "k"})

    answer = api_of(alice).post(
        URL, {**NEW, "name": "API", "value": "203.0.113.64/27"}, headers={"Idempotency-Key": "k"}
    )

    assert answer.status_code == 201


def test_the_length_of_a_key_is_limited(dana: User, api_of: ApiOf) -> None:
    answer = api_of(dana).post(URL, NEW, headers={"Idempotency-Key": "k" * 201})

    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_the_number_of_resources_is_limited(
    dana: User, api_of: ApiOf, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_RESOURCES", 1)
    ResourceFactory.create(organization=acme)

    answer = api_of(dana).post(URL, NEW)

    assert answer.status_code == 409
    assert answer.json()["code"] == "too-many-resources"


def test_pages_hold_every_resource_once(bob: User, acme: Organization, api_of: ApiOf) -> None:
    for number in range(7):
        ResourceFactory.create(organization=acme, name=f"Net {number}")
    api, names, url = api_of(bob), [], f"{URL}?limit=3"

    while url:
        page = api.get(url).json()
        names += [resource["name"] for resource in page["results"]]
        url = page["next"]

    assert names == [f"Net {number}" for number in range(7)]


@pytest.mark.parametrize(
    "cursor", ["x", "cD0lMDA=", "cj0xJnA9", "%00", "bz05OTk5OTk5OTk5OTk5OTk5OTk5"]
)
def test_invalid_cursors_are_refused_or_harmless(bob: User, api_of: ApiOf, cursor: str) -> None:
    answer = api_of(bob).get(f"{URL}?cursor={cursor}")

    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("limit", ["0", "201", "-5", "x", "null", "", "²", "1e1", "9" * 5000])
def test_a_limit_out_of_range_is_refused(bob: User, api_of: ApiOf, limit: str) -> None:
    answer = api_of(bob).get(URL, {"limit": limit})

    assert answer.status_code == 400
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [
        ("limit", "out-of-range")
    ]


def test_the_number_of_queries_does_not_grow_with_the_list(
    bob: User, acme: Organization, api_of: ApiOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api = api_of(bob)
    api.get(URL)
    ResourceFactory.create_batch(20, organization=acme)

    # the token with the membership, the rows
    with django_assert_num_queries(2):
        assert len(api.get(URL).json()["results"]) == 20


def test_another_tenants_resources_are_not_shown(
    charlie: User, shop: ProtectedResource, api_of: ApiOf
) -> None:
    assert api_of(charlie).get(URL).status_code == 404
    assert api_of(charlie).get("/api/v1/organizations/globex/resources").json()["results"] == []
