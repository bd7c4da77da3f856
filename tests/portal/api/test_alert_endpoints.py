from __future__ import annotations

from typing import Any

from portal.accounts.models import ApiToken, User
from portal.alerts.models import AlertEndpoint
from portal.alerts.services.endpoints import MAX_ENDPOINTS
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from portal.audit.models import AuditEntry
from portal.organizations.models import Organization, ProtectedResource
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory

ENDPOINTS = "/api/v1/organizations/acme/alert-endpoints"
ALERTS = "/api/v1/organizations/acme/alerts"


def add(browser: Any, **fields: Any) -> Any:
    body = {"name": "Edge", "source": "plain", **fields}
    return browser.post(ENDPOINTS, body, content_type="application/json")


def test_the_secret_is_in_one_answer_only(alice: User, client_of: ClientOf) -> None:
    browser = client_of(alice)
    added = add(browser).json()
    assert "secret" in added, added
    secret = added.pop("secret")

    [listed] = browser.get(ENDPOINTS).json()["results"]
    sent = browser.post(
        f"/api/v1/alerts/{added['id']}",
        '{"id": "a-1"}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert listed == added
    assert sent.status_code == 202
    assert sent.json() == {
        "accepted": 1, "over_limit": 0, "repeated": None, "not_ours": None, "rejected": None,
    }  # fmt: skip
    assert secret not in str(AlertEndpoint.objects.values())
    assert secret not in str(list(AuditEntry.objects.values()))


def test_changes_need_a_fresh_factor(alice: User, api_of: ApiOf) -> None:
    api = api_of(alice)
    ApiToken.objects.update(factor_at=None)

    answer = api.post(ENDPOINTS, {"name": "Edge", "source": "plain"})

    assert (answer.status_code, answer.json()["code"]) == (403, "fresh-factor-required")


def test_each_change_is_an_entry_of_the_audit(alice: User, client_of: ClientOf) -> None:
    browser = client_of(alice)
    path = f"{ENDPOINTS}/{add(browser).json()['id']}"
    browser.patch(path, {"enabled": False}, content_type="application/json")
    browser.patch(path, {"enabled": False}, content_type="application/json")
    assert "secret" in browser.post(f"{path}/rotate").json()
    assert browser.post(f"{path}/end-previous-secret").json()["previous_secret_until"] is None
    assert browser.delete(path).status_code == 204

    own = AuditEntry.objects.filter(verb__startswith="alert_endpoint.").order_by("pk")
    assert [one.verb.partition(".")[2] for one in own] == [
        "added", "changed", "secret_rotated", "previous_secret_ended", "removed",
    ]  # fmt: skip
    changed = own[1]
    assert (changed.before, changed.after) == ({"is_enabled": True}, {"is_enabled": False})


def test_wrong_settings_are_errors_at_their_fields(
    alice: User, globex: Organization, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    foreign = str(ResourceFactory.create(organization=globex).pk)
    add(browser, name="Taken")
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"name": "Taken"}, "name", "name-taken"),
        ({"name": "a\u202eb"}, "name", "bad-name"),
        ({"source": "other"}, "source", "not-a-choice"),
        ({"default_resource": foreign}, "default_resource", "not-verified"),
        ({"hosts": [{"host": "a b", "resource": str(shop.pk)}]}, "hosts.a b", "not-a-host"),
        ({"hosts": [{"host": "a.de", "resource": foreign}]}, "hosts.a.de", "not-verified"),
        ({"hosts": [{"host": "a.example"}] * 101}, "hosts", "too-many"),
        ({"signature_header": "X Y"}, "signature_header", "bad-header"),
        ({"timestamp_header": "X-Time"}, "timestamp_header", "no-signature"),
        ({"notices": ["x"] * 51}, "notices", "too-many"),
        ({"secret": "mine"}, "secret", "unknown-field"),
    ]  # fmt: skip

    for fields, field, code in wrong:
        answer = add(browser, **fields)
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["field"], error["code"]) == (400, field, code)
    assert AlertEndpoint.objects.count() == 1


def test_endpoints_of_an_organization_are_limited(
    alice: User, acme: Organization, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    first = AlertEndpoint.objects.get(pk=add(browser).json()["id"])
    AlertEndpoint.objects.bulk_create(
        AlertEndpoint(
            organization=acme,
            name=f"E{number}",
            source="plain",
            digest="",
            created_at=first.created_at,
        )
        for number in range(MAX_ENDPOINTS - 1)
    )

    assert add(browser, name="One more").json()["code"] == "too-many-endpoints"


def test_members_see_alerts_and_rejected_payloads_of_their_organization(
    alice: User, bob: User, charlie: User, dana: User, shop: ProtectedResource,
    api_of: ApiOf, client_of: ClientOf,
) -> None:  # fmt: skip
    endpoint = AlertEndpoint.objects.get(pk=add(client_of(alice)).json()["id"])
    accept(
        endpoint,
        b'[{"id": "a-1", "targets": ["203.0.113.7"], "ports": [443]}, {"pps": "x"}]',
        endpoint.created_at,
    )
    map_waiting()
    bobs, rejected = api_of(bob), "/api/v1/organizations/acme/rejected-alerts"

    [alert] = bobs.get(ALERTS).json()["results"]
    [payload] = bobs.get(rejected).json()["results"]

    assert (alert["event_id"], alert["verdict"], alert["targets"]) == (
        "a-1", "ours", ["203.0.113.7/32"],
    )  # fmt: skip
    assert alert["because"] == "An attack on your own resources."
    assert payload["rejections"] == [
        {"index": 1, "code": "bad-number", "field": "pps",
         "because": "This number is out of range: pps."},
    ]  # fmt: skip
    replay = f"{rejected}/{payload['id']}/replay"
    assert [api_of(one).post(replay).status_code for one in (bob, charlie, dana)] == [403, 404, 202]
    assert api_of(charlie).get(ALERTS).status_code == 404
