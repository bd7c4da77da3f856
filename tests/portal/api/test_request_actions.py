from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import RequestStatus, Status, Trigger
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.portal.api.answers import lasting
from tests.portal.mitigations.rows import confirm, report

URL = "/api/v1/organizations/acme/mitigation-requests"
NEW = {"targets": {"prefixes": ["203.0.113.7/32"]}}


@pytest.fixture(autouse=True)
def _prepared(shop: ProtectedResource, acme_northgate: Subscription) -> None:
    """Acme may protect 203.0.113.0/26, at Northgate."""


@pytest.fixture
def asked(dana: User, api_of: ApiOf) -> MitigationRequest:
    api_of(dana).post(URL, NEW)
    return MitigationRequest.objects.get()


def test_terminating_twice_is_harmless(dana: User, api_of: ApiOf, asked: MitigationRequest) -> None:
    api = api_of(dana)
    Mitigation.objects.update(sent_at=timezone.now())

    first = api.post(f"{URL}/{asked.pk}/terminate")
    again = api.post(f"{URL}/{asked.pk}/terminate")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["status"] == "terminating"
    assert lasting(again.json()) == lasting(first.json())


def test_extending_asks_for_the_new_lifetime(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    answer = api_of(dana).post(f"{URL}/{asked.pk}/extend", {"lifetime": 7200})

    assert answer.status_code == 202
    assert answer.json()["lifetime"] == 7200


@pytest.mark.parametrize(
    "body", [{}, {"lifetime": 10**9}, {"lifetime": None}, {"lifetime": 60, "x": 1}]
)
def test_a_lifetime_out_of_range_is_named(
    dana: User, api_of: ApiOf, asked: MitigationRequest, body: dict[str, Any]
) -> None:
    answer = api_of(dana).post(f"{URL}/{asked.pk}/extend", body)

    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_an_efficacy_update_before_any_confirmation_is_a_conflict(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    url = f"{URL}/{asked.pk}/efficacy"

    answer = api_of(dana).post(url, {"attack_status": "under-attack"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "nobody-to-tell"


def test_an_efficacy_update_is_sent_to_the_provider(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    Mitigation.objects.update(status=Status.MITIGATING)

    answer = api_of(dana).post(
        f"{URL}/{asked.pk}/efficacy", {"attack_status": "attack-successfully-mitigated"}
    )

    assert answer.status_code == 202
    assert Mitigation.objects.get().efficacy == 2


def test_an_unknown_efficacy_is_refused(
    dana: User, api_of: ApiOf, asked: MitigationRequest
) -> None:
    answer = api_of(dana).post(f"{URL}/{asked.pk}/efficacy", {"attack_status": "fine"})

    assert answer.json()["errors"][0]["field"] == "attack_status"


def test_the_end_can_be_acknowledged(dana: User, api_of: ApiOf, asked: MitigationRequest) -> None:
    api = api_of(dana)
    early = api.post(f"{URL}/{asked.pk}/acknowledge", {"ended_at": asked.created_at.isoformat()})
    assert (early.status_code, early.json()["code"]) == (409, "not-ended")
    services.terminate(request_id=asked.pk, actor=Actor.person(dana))
    ended_at = api.get(f"{URL}/{asked.pk}").json()["ended_at"]

    answer = api.post(f"{URL}/{asked.pk}/acknowledge", {"ended_at": ended_at})

    assert answer.status_code == 200
    assert answer.json()["status"] == "terminated"
    assert answer.json()["acknowledged_at"]


@pytest.mark.parametrize("action", ["", "/terminate", "/extend", "/efficacy", "/acknowledge"])
def test_another_tenants_request_is_404_under_the_callers_organization(
    charlie: User, api_of: ApiOf, asked: MitigationRequest, action: str
) -> None:
    url = f"/api/v1/organizations/globex/mitigation-requests/{asked.pk}{action}"
    api = api_of(charlie)

    answer = api.post(url, {"lifetime": 60}) if action else api.get(url)

    assert answer.status_code == 404
    asked.refresh_from_db()
    assert asked.status == RequestStatus.REQUESTING


@pytest.mark.parametrize(
    ("trigger", "is_held"),
    [
        (Trigger.FILTERING, True),
        (Trigger.ATTACK_ENDED, True),
        (Trigger.WINDING_DOWN, True),
        (Trigger.PROVIDER_WITHDREW, False),
        (Trigger.ENDED, False),
    ],
)
def test_only_a_held_mitigation_has_a_remaining_lifetime(
    dana: User, api_of: ApiOf, asked: MitigationRequest, trigger: Trigger, *, is_held: bool
) -> None:
    mitigation = asked.mitigations.get()
    confirm(mitigation, timezone.now())
    report(mitigation, trigger, timezone.now())

    shown = api_of(dana).get(f"{URL}/{asked.pk}").json()["mitigations"][0]

    assert (shown["lifetime_remaining"] is not None) is is_held


LATER = timezone.now() + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("status", "wanted", "of_request", "is_asked_again"),
    [
        (Status.PENDING, "active", "requesting", True),
        (Status.REFUSED, "active", "failing", True),
        (Status.WITHDRAWN, "active", "mitigating", True),
        (Status.TERMINATING, "withdrawn", "terminating", True),
        (Status.WITHDRAWN, "withdrawn", "mitigating", False),
        (Status.REFUSED, "withdrawn", "terminating", False),
        (Status.REFUSED, "active", "terminated", False),
        (Status.EXPIRED, "active", "mitigating", False),
        (Status.TERMINATED, "withdrawn", "terminated", False),
    ],
)
def test_the_time_of_the_next_retry_is_given_only_while_one_is_due(
    dana: User,
    api_of: ApiOf,
    asked: MitigationRequest,
    status: Status,
    wanted: str,
    of_request: str,
    *,
    is_asked_again: bool,
) -> None:
    MitigationRequest.objects.update(status=of_request)
    Mitigation.objects.update(
        status=status,
        wanted=wanted,
        retry_at=LATER,
        efficacy=1,
        efficacy_asked_at=timezone.now(),
        efficacy_retry_at=LATER,
    )

    shown = api_of(dana).get(f"{URL}/{asked.pk}").json()["mitigations"][0]

    assert (shown["retry_at"] is not None) is is_asked_again
    assert (shown["efficacy"]["retry_at"] is not None) is is_asked_again
