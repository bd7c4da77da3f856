from __future__ import annotations

from typing import Any

import pytest

from portal.accounts.models import User
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ApiOf

pytestmark = pytest.mark.sqlite

URL = "/api/v1/organizations/acme/mitigation-requests"
NEW = {"targets": {"prefixes": ["203.0.113.7/32"]}}


@pytest.fixture(autouse=True)
def _prepared(shop: ProtectedResource, acme_northgate: Subscription) -> None:
    """Acme may protect 203.0.113.0/26, at Northgate."""


def test_one_target_is_enough(dana: User, api_of: ApiOf, acme_northgate: Subscription) -> None:
    answer = api_of(dana).post(URL, NEW)

    assert answer.status_code == 202
    body = answer.json()
    request = MitigationRequest.objects.get()
    assert answer["Location"] == f"{URL}/{request.pk}"
    assert body["created_at"].endswith("Z")
    [mitigation] = body.pop("mitigations")
    assert body == {
        "id": str(request.pk),
        "name": "203.0.113.7/32",
        "kind": "immediate",
        "status": "requesting",
        "targets": {"prefixes": ["203.0.113.7/32"], "fqdns": [], "uris": [], "resources": []},
        "ports": [],
        "protocols": [],
        "lifetime": 3600,
        "auto_renew": True,
        "strategy": "failover",
        "subscriptions": [str(acme_northgate.pk)],
        "reason": "",
        "replaces": [],
        "created_at": body["created_at"],
        "created_by": "dana",
        "origin": "person",
        "terminate_requested_at": None,
        "ended_at": None,
        "ended_by": "",
        "filtering_ended_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "responsible": None,
        "responsible_left": None,
        "responsible_since": None,
        "approval": None,
    }
    assert mitigation == {
        "id": str(Mitigation.objects.get().pk),
        "subscription": str(acme_northgate.pk),
        "provider": "Northgate Scrubbing",
        "mid": 1,
        "targets": {"prefixes": ["203.0.113.7/32"], "fqdns": [], "uris": []},
        "asked_at": body["created_at"],
        "asked_by": None,
        "cause": "first",
        "cause_subscription": None,
        "because": "",
        "retry_at": None,
        "withdrawn_by": None,
        "withdrawn_cause": "",
        "withdrawn_for": [],
        "withdrawn_because": "",
        "hold_again": False,
        "status": "pending",
        "dots_status": None,
        "refusal": None,
        "conflict": None,
        "unsaved_at": None,
        "lifetime_remaining": None,
        "replaced_by": None,
        "filtering_end": None,
        "mitigation_start": None,
        "counters": {
            "bytes_dropped": None,
            "pkts_dropped": None,
            "bps_dropped": None,
            "pps_dropped": None,
        },
        "still_held": None,
        "efficacy": None,
        "sent_at": None,
        "confirmed_at": None,
        "ended_at": None,
    }


def test_every_field_is_saved(
    dana: User, api_of: ApiOf, shop: ProtectedResource, acme_northgate: Subscription
) -> None:
    asked: dict[str, Any] = {
        "targets": {"prefixes": [], "fqdns": [], "uris": [], "resources": [str(shop.pk)]},
        "ports": [{"lower": 80, "upper": 443}, {"lower": 53}],
        "protocols": [17, 6],
        "lifetime": -1,
        "auto_renew": False,
        "strategy": "parallel",
        "subscriptions": [str(acme_northgate.pk)],
        "reason": "HTTP flood on the shop",
    }

    body = api_of(dana).post(URL, asked).json()

    assert body["name"] == "Shop front-end"
    assert body["targets"]["resources"] == [str(shop.pk)]
    assert body["ports"] == [{"lower": 53, "upper": 53}, {"lower": 80, "upper": 443}]
    assert body["protocols"] == [6, 17]
    assert (body["lifetime"], body["auto_renew"], body["strategy"]) == (-1, False, "parallel")
    assert body["reason"] == "HTTP flood on the shop"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"targets": {}}, "targets"),
        ({"targets": None}, "targets"),
        ({"targets": []}, "targets"),
        ({"targets": {"prefixes": ["203.0.113.7/24"]}}, "targets.prefixes.0"),
        ({"targets": {"prefixes": ["198.51.100.1/32"]}}, "targets.prefixes.0"),
        ({"targets": {"prefixes": "203.0.113.7/32"}}, "targets.prefixes"),
        ({"targets": {"prefixes": [7]}}, "targets.prefixes.0"),
        ({"targets": {"prefixes": ["203.0.113.7/32"] * 33}}, "targets.prefixes"),
        ({"targets": {"hosts": []}}, "targets.hosts"),
        ({"targets": {"resources": ["x"]}}, "targets.resources.0"),
        ({"ports": [{"lower": 443, "upper": 80}]}, "ports.0"),
        ({"ports": [{"lower": "80"}]}, "ports.0.lower"),
        ({"ports": [80]}, "ports.0"),
        ({"ports": [{"lower": True}]}, "ports.0.lower"),
        ({"protocols": [256]}, "protocols.0"),
        ({"protocols": [6.5]}, "protocols.0"),
        ({"lifetime": 0}, "lifetime"),
        ({"lifetime": 10**40}, "lifetime"),
        ({"lifetime": "3600"}, "lifetime"),
        ({"auto_renew": "yes"}, "auto_renew"),
        ({"strategy": "random"}, "strategy"),
        ({"subscriptions": ["00000000-0000-4000-8000-000000000000"]}, "subscriptions.0"),
        ({"reason": "x" * 2001}, "reason"),
        ({"urgent": True}, "urgent"),
    ],
)
def test_every_invalid_field_is_named(
    dana: User, api_of: ApiOf, changes: dict[str, Any], field: str
) -> None:
    answer = api_of(dana).post(URL, {**NEW, **changes})

    assert answer.status_code == 400
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not MitigationRequest.objects.exists()


def test_another_tenants_resource_and_subscription_are_unknown(
    charlie: User, shop: ProtectedResource, acme_northgate: Subscription,
    globex_northgate: Subscription, api_of: ApiOf,
) -> None:  # fmt: skip
    asked = {"targets": {"resources": [str(shop.pk)]}, "subscriptions": [str(acme_northgate.pk)]}

    answer = api_of(charlie).post("/api/v1/organizations/globex/mitigation-requests", asked)

    assert {error["field"] for error in answer.json()["errors"]} == {
        "targets.resources.0",
        "subscriptions.0",
    }


def test_the_same_key_and_body_return_the_first_request(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    first = api.post(URL, NEW, headers={"Idempotency-Key": "k"})

    again = api.post(URL, NEW, headers={"Idempotency-Key": "k"})

    assert again.status_code == 202
    assert again.json()["id"] == first.json()["id"]
    assert MitigationRequest.objects.count() == 1


def test_another_body_with_the_same_key_is_422(dana: User, api_of: ApiOf) -> None:
    api = api_of(dana)
    api.post(URL, NEW, headers={"Idempotency-Key": "k"})

    answer = api.post(URL, {**NEW, "reason": "other"}, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency-key-reused"


def test_a_viewer_learns_who_can_submit(bob: User, dana: User, api_of: ApiOf) -> None:
    answer = api_of(bob).post(URL, {"nonsense": True})

    assert answer.status_code == 403
    assert answer.json()["code"] == "not-allowed"
    assert "dana" in answer.json()["detail"]


def test_a_client_gets_suggestions_for_invalid_list_items(dana: User, api_of: ApiOf) -> None:
    wrong = {"targets": {"prefixes": ["203.0.113.4-203.0.113.9", "tcp://203.0.113.20:443"]}}

    answer = api_of(dana).post(URL, wrong)

    nothing: dict[str, list[str]] = {"prefixes": [], "fqdns": [], "uris": []}
    errors = {error["field"]: error for error in answer.json()["errors"]}
    ranged, with_port = errors["targets.prefixes.0"], errors["targets.prefixes.1"]
    assert (ranged["code"], with_port["code"]) == ("range", "has-a-port")
    assert ranged["fixes"] == [
        {
            "label": "Use 203.0.113.4/30 and 203.0.113.8/31",
            "value": "203.0.113.4/30, 203.0.113.8/31",
            "targets": {**nothing, "prefixes": ["203.0.113.4/30", "203.0.113.8/31"]},
            "ports": [],
            "protocols": [],
        }
    ]
    assert with_port["fixes"][0] == {
        "label": "Use 203.0.113.20, port 443 and TCP",
        "value": "203.0.113.20/32",
        "targets": {**nothing, "prefixes": ["203.0.113.20/32"]},
        "ports": [{"lower": 443, "upper": 443}],
        "protocols": [6],
    }


def test_a_protocol_is_given_by_number_or_name(dana: User, api_of: ApiOf) -> None:
    asked = api_of(dana).post(URL, {**NEW, "protocols": ["UDP", 6, "tcp"]})
    wrong = api_of(dana).post(URL, {**NEW, "protocols": ["tcq", 6.5]})

    assert asked.json()["protocols"] == [6, 17]
    assert [(one["field"], one["code"]) for one in wrong.json()["errors"]] == [
        ("protocols.0", "not-a-protocol"),
        ("protocols.1", "wrong-type"),
    ]
