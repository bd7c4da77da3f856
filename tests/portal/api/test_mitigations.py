from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.api.throttling import CALLS_PER_PERSON
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import ResourceFactory

URL = "/api/v1/organizations/acme/mitigation-requests"
NEW: dict[str, Any] = {"targets": {"prefixes": ["203.0.113.7/32"]}}


@pytest.fixture(autouse=True)
def _prepared(
    shop: ProtectedResource, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    """Acme may protect 203.0.113.0/26, at Northgate and then at Tidewall."""


@pytest.fixture
def asked(dana: User, api_of: ApiOf) -> MitigationRequest:
    api_of(dana).post(URL, NEW)
    return MitigationRequest.objects.get()


def test_the_next_provider_is_asked_manually_and_a_repeat_changes_nothing(
    dana: User, api_of: ApiOf, asked: MitigationRequest, acme_tidewall: Subscription
) -> None:
    answer = api_of(dana).post(f"{URL}/{asked.pk}/mitigations/ask")
    chosen = {"subscription": str(acme_tidewall.pk)}
    again = api_of(dana).post(f"{URL}/{asked.pk}/mitigations/ask", chosen)

    assert (answer.status_code, again.status_code) == (202, 202)
    first, second = answer.json()["mitigations"]
    assert (first["provider"], first["asked_by"]) == ("Northgate Scrubbing", None)
    assert (second["provider"], second["asked_by"]) == ("Tidewall", "dana")
    assert again.json()["mitigations"] == answer.json()["mitigations"]


@pytest.mark.parametrize(
    "body", [{"subscription": "x"}, {"subscription": None}, {"provider": "Tidewall"}, []]
)
def test_an_unreadable_body_is_refused(
    dana: User, api_of: ApiOf, asked: MitigationRequest, body: Any
) -> None:
    answer = api_of(dana).post(f"{URL}/{asked.pk}/mitigations/ask", body)

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_another_tenants_subscription_cannot_be_chosen(
    dana: User, api_of: ApiOf, asked: MitigationRequest, globex_northgate: Subscription
) -> None:
    body = {"subscription": str(globex_northgate.pk)}

    answer = api_of(dana).post(f"{URL}/{asked.pk}/mitigations/ask", body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "subscription"
    assert Mitigation.objects.count() == 1


def test_asking_is_a_conflict_when_no_provider_is_left(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    api_of(dana).post(f"{URL}/{asked.pk}/mitigations/ask")

    answer = api_of(dana).post(f"{URL}/{asked.pk}/mitigations/ask")

    assert (answer.status_code, answer.json()["code"]) == (409, "nobody-left")


def test_one_provider_is_withdrawn_and_repeating_it_is_harmless(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    services.ask_provider(request_id=asked.pk, actor=Actor.person(dana))
    Mitigation.objects.update(sent_at=timezone.now())
    first = asked.mitigations.get(position=0)

    answers = [
        api_of(dana).post(f"{URL}/{asked.pk}/mitigations/{first.pk}/withdraw") for _ in range(2)
    ]

    assert [one.status_code for one in answers] == [202, 202]
    shown = answers[1].json()["mitigations"][0]
    assert (shown["status"], shown["withdrawn_by"]) == ("terminating", "dana")


def test_the_last_provider_cannot_be_withdrawn_only_terminated(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    answer = api_of(dana).post(
        f"{URL}/{asked.pk}/mitigations/{asked.mitigations.get().pk}/withdraw"
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "last-one")
    assert "terminate the request" in answer.json()["detail"]


def test_withdrawing_is_not_throttled(
    dana: User, api_of: ApiOf, asked: MitigationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, url = api_of(dana), f"{URL}/{asked.pk}/mitigations/{asked.mitigations.get().pk}/withdraw"
    few = replace(CALLS_PER_PERSON, name="few", tries=1)
    monkeypatch.setattr("portal.api.throttling.CALLS_PER_PERSON", few)

    assert [api.post(url).status_code for _ in range(3)] == [409, 409, 409]
    assert [api.get(URL).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("mitigation", ["unknown", "of another request"])
def test_a_mitigation_of_another_request_is_404(
    dana: User, api_of: ApiOf, asked: MitigationRequest, mitigation: str
) -> None:
    mitigation_id = uuid4()
    if mitigation == "of another request":
        another = {"targets": {"prefixes": ["203.0.113.9/32"]}}
        mitigation_id = api_of(dana).post(URL, another).json()["mitigations"][0]["id"]

    answer = api_of(dana).post(f"{URL}/{asked.pk}/mitigations/{mitigation_id}/withdraw")

    assert answer.status_code == 404


def test_the_targets_of_each_provider_are_returned_before_anything_is_sent(
    dana: User,
    api_of: ApiOf,
    acme: Organization,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    ResourceFactory.create(organization=acme, value="2001:db8::/32")
    Subscription.objects.filter(pk=acme_northgate.pk).update(limited_to=["203.0.113.0/24"])
    targets = {"prefixes": ["203.0.113.7/32", "2001:db8:10::/48"]}

    answer = api_of(dana).post(f"{URL}/eligibility", {"targets": targets})
    alone = api_of(dana).post(f"{URL}/eligibility", {"targets": {"prefixes": ["2001:db8:10::/48"]}})

    north = {"subscription": str(acme_northgate.pk), "provider": "Northgate"}
    tide = {"subscription": str(acme_tidewall.pk), "provider": "Tidewall"}
    assert answer.json() == {
        "targets": [
            {"target": "2001:db8:10::/48", "providers": [tide]},
            {"target": "203.0.113.7/32", "providers": [north, tide]},
        ],
        "left_out": [],
        "routes": [],
        "replaces": [],
        "would_replace": False,
        "quota": None,
    }
    reason = "Northgate may protect only 203.0.113.0/24"
    assert alone.json()["left_out"] == [{**north, "reason": reason}]
    assert not MitigationRequest.objects.exists()


def test_a_target_no_provider_may_protect_is_an_error_at_its_field(
    dana: User, api_of: ApiOf
) -> None:
    Subscription.objects.update(limited_to=["198.51.100.0/24"])

    for path in ("", "/eligibility"):
        answer = api_of(dana).post(f"{URL}{path}", NEW)

        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"]) == ("targets.prefixes.0", "nobody-may-protect")
