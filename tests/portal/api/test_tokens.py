"""`me/tokens` and `service-tokens`."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from portal.accounts import services as accounts
from portal.accounts.access import digest_of
from portal.accounts.models import ApiToken, User
from portal.accounts.scopes import Scope
from portal.audit.models import AuditEntry
from portal.mail.models import OutgoingMail
from portal.organizations import service_tokens
from portal.organizations import services as organizations
from portal.organizations.models import Organization, ProtectedResource, Role, ServiceToken
from portal.organizations.tasks import prune
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import service_token

MINE: Final = "/api/v1/me/tokens"
OURS: Final = "/api/v1/organizations/acme/service-tokens"
REQUESTS: Final = "/api/v1/organizations/acme/mitigation-requests"


def with_token(token: str) -> APIClient:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return api


@pytest.fixture(autouse=True)
def _mail(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example"


def test_a_token_is_shown_once_and_the_person_gets_a_mail(alice: User, api_of: ApiOf) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    api = api_of(alice)
    body = {"name": "script", "scope": "request", "allowed_networks": ["127.0.0.1"], "days": 7}

    made = api.post(MINE, body)

    assert made.status_code == 201, made.json()
    plain, details = made.json()["token"], made.json()["details"]
    assert plain.startswith("dmp_")
    assert details["allowed_networks"] == ["127.0.0.1/32"]
    listed = api.get(MINE)
    assert listed.json()["results"] == [details]
    assert plain not in listed.content.decode()
    assert OutgoingMail.objects.get().to == "alice@example.com"
    entry = AuditEntry.objects.get(verb="token.issued", object_name="script")
    assert entry.after is not None
    assert entry.after["scope"] == "request"
    assert plain not in str(AuditEntry.objects.values_list("before", "after", "token"))


def test_a_token_needs_a_fresh_factor(alice: User, api_of: ApiOf, acme: Organization) -> None:
    api = api_of(alice)
    ApiToken.objects.update(factor_at=None)

    answers = [
        api.post(MINE, {"name": "script", "scope": "read"}),
        api.post(OURS, {"name": "script", "role": "viewer"}),
    ]

    assert [one.json()["code"] for one in answers] == ["fresh-factor-required"] * 2
    assert not ServiceToken.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"name": " "}, ["name"]),
        ({"name": "a\u202eb"}, ["name"]),
        ({"days": 0}, ["days"]),
        ({"days": 366}, ["days"]),
        ({"allowed_networks": ["x", "10.0.0.0/8", "y"]},
         ["allowed_networks.0", "allowed_networks.2"]),
        ({"allowed_networks": ["10.0.0.0/8"] * 21}, ["allowed_networks"]),
        ({"scope": "all"}, ["scope"]),
        ({"name": "taken"}, ["name"]),
    ],
)  # fmt: skip
def test_each_wrong_field_of_a_token_gets_its_error(
    alice: User, api_of: ApiOf, wrong: dict[str, Any], fields: list[str]
) -> None:
    api, body = api_of(alice), {"name": "script", "scope": "read"}
    assert api.post(MINE, body | {"name": "taken"}).status_code == 201

    refused = api.post(MINE, body | wrong)

    assert refused.status_code == 400
    assert [one["field"] for one in refused.json()["errors"]] == fields


def test_the_number_of_tokens_is_limited_and_a_sign_in_removes_none(
    alice: User, api_of: ApiOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts.tokens, "MAX_TOKENS_PER_USER", 2)
    monkeypatch.setattr(accounts.tokens, "MAX_DEVICES_PER_USER", 1)
    api = api_of(alice)
    for name in ("one", "two"):
        assert api.post(MINE, {"name": name, "scope": "read"}).status_code == 201

    refused = api.post(MINE, {"name": "three", "scope": "read"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-tokens")
    accounts.issue_token(user=alice, device_name="phone")
    assert accounts.named_tokens(alice).count() == 2


def test_only_its_person_sees_and_revokes_a_token(
    alice: User, charlie: User, api_of: ApiOf
) -> None:
    token, plain = accounts.make_token(
        user=alice, name="script", scope=Scope.READ, days=1, networks=[]
    )
    url = f"{MINE}/{token.device_id}"

    assert api_of(charlie).get(MINE).json()["results"] == []
    assert api_of(charlie).delete(url).status_code == 404
    assert with_token(plain).get("/api/v1/me").status_code == 200
    assert api_of(alice).delete(url).status_code == 204
    assert with_token(plain).get("/api/v1/me").status_code == 401


def test_a_token_is_refused_from_other_networks(alice: User, acme: Organization) -> None:
    _, plain = accounts.make_token(
        user=alice, name="script", scope=Scope.READ, days=1, networks=["198.51.100.0/24"]
    )
    _, program = service_token(acme, allowed_networks="198.51.100.0/24")
    for token in (plain, program):
        for path in ("/api/v1/me", REQUESTS):
            refused = with_token(token).get(path)
            assert (refused.status_code, refused.json()["code"]) == (403, "network-not-allowed")
        allowed = with_token(token).get(REQUESTS, REMOTE_ADDR="198.51.100.9")
        assert allowed.status_code == 200
    used = ApiToken.objects.get(is_named=True)
    assert (used.last_used_at is not None, used.last_used_address) == (True, "198.51.100.9")
    assert ServiceToken.objects.get().last_used_address == "198.51.100.9"
    assert AuditEntry.objects.filter(verb="access.refused").count() == 4


def test_a_mistyped_token_asks_no_database(
    acme: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    _, plain = service_token(acme)
    wrong = plain[:-1] + ("0" if plain[-1] != "0" else "1")

    with django_assert_num_queries(0):
        assert with_token(wrong).get(REQUESTS).status_code == 401
        assert with_token(f"dmp_{wrong[4:]}").get("/api/v1/me").status_code == 401


def test_a_token_of_an_earlier_release_still_acts(alice: User) -> None:
    token, _ = ApiToken.objects.create(user=alice, device_name="old")
    old = "0123456789abcdef" * 4
    ApiToken.objects.filter(pk=token.pk).update(digest=digest_of(old))

    assert with_token(old).get("/api/v1/me").status_code == 200


# Service tokens


@pytest.fixture
def detector(
    acme: Organization, shop: ProtectedResource, acme_northgate: Subscription
) -> APIClient:
    return with_token(service_token(acme, name="monitoring")[1])


def test_an_admin_makes_a_service_token_and_all_admins_get_a_mail(
    alice: User, acme: Organization, api_of: ApiOf
) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    api = api_of(alice)

    made = api.post(OURS, {"name": "monitoring", "role": "operator"})

    assert made.status_code == 201, made.json()
    assert made.json()["token"].startswith("dms_")
    assert made.json()["details"]["created_by"] == "alice"
    assert api.get(OURS).json()["results"] == [made.json()["details"]]
    assert "monitoring" in OutgoingMail.objects.get().subject
    assert AuditEntry.objects.get(verb="token.service_issued").object_name == "monitoring"
    again = api.post(OURS, {"name": "monitoring", "role": "viewer"})
    assert again.json()["errors"][0]["field"] == "name"
    assert api.post(OURS, {"name": "x", "role": "admin"}).json()["errors"][0]["field"] == "role"


def test_the_number_of_service_tokens_is_limited(
    alice: User, acme: Organization, api_of: ApiOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_tokens, "MAX_SERVICE_TOKENS", 1)
    service_token(acme)

    refused = api_of(alice).post(OURS, {"name": "another", "role": "viewer"})

    assert (refused.status_code, refused.json()["code"]) == (409, "too-many-tokens")


def test_events_and_answers_name_the_service_token_that_acts(
    detector: APIClient, alice: User, api_of: ApiOf
) -> None:
    asked = detector.post(REQUESTS, {"targets": {"prefixes": ["203.0.113.1/32"]}})
    assert asked.status_code == 202, asked.json()
    assert (asked.json()["created_by"], asked.json()["origin"]) == (
        "token ‘monitoring’",
        "service_token",
    )
    url = f"{REQUESTS}/{asked.json()['id']}"
    assert detector.post(f"{url}/terminate").status_code == 202
    assert detector.post(f"{url}/terminate").status_code == 202

    events = api_of(alice).get("/api/v1/organizations/acme/events").json()["results"]
    acts = [one for one in events if one["type"].startswith("request.") and "actor" in one["data"]]
    assert {one["data"]["actor"] for one in acts} == {"monitoring"}
    assert {one["data"]["actor_kind"] for one in acts} == {"service_token"}
    refused = detector.post(f"{url}/extend", {"lifetime": 600})
    assert refused.json()["detail"].startswith("The token ‘monitoring’ terminated this")


def test_a_service_token_outlives_the_person_who_made_it(
    alice: User, dana: User, acme: Organization, api_of: ApiOf
) -> None:
    made = api_of(alice).post(OURS, {"name": "monitoring", "role": "viewer"}).json()
    organizations.remove_member(organization=acme, user=alice)
    alice.delete()

    assert with_token(made["token"]).get(REQUESTS).status_code == 200


def test_a_service_token_ends(detector: APIClient, alice: User, acme: Organization) -> None:
    ServiceToken.objects.update(expires_at=timezone.now())
    assert detector.get(REQUESTS).status_code == 401

    prune()

    assert not ServiceToken.objects.exists()
    entry = AuditEntry.objects.get(verb="token.service_ended")
    assert (entry.actor_kind, entry.after) == ("portal", {"why": "expired"})


def test_a_suspended_organizations_token_lets_no_one_in(
    detector: APIClient, acme: Organization
) -> None:
    Organization.objects.update(is_active=False)

    assert detector.get(REQUESTS).status_code == 401


def test_only_admins_of_the_organization_revoke_a_service_token(
    alice: User, dana: User, charlie: User, acme: Organization, api_of: ApiOf
) -> None:
    token, plain = service_token(acme)
    url = f"{OURS}/{token.pk}"

    assert [api_of(one).delete(url).status_code for one in (charlie, dana)] == [404, 403]
    foreign = f"/api/v1/organizations/globex/service-tokens/{token.pk}"
    assert api_of(charlie).delete(foreign).status_code == 404
    assert api_of(alice).delete(url).status_code == 204
    assert with_token(plain).get(REQUESTS).status_code == 401


def test_a_service_token_of_a_viewer_only_reads(acme: Organization) -> None:
    api = with_token(service_token(acme, role=Role.VIEWER)[1])

    assert api.get(REQUESTS).status_code == 200
    refused = api.post(REQUESTS, {"targets": {"prefixes": ["203.0.113.1/32"]}})
    assert refused.status_code == 403
