from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from portal.accounts import services
from portal.accounts.models import ApiToken, Authenticator, User
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, UserFactory, app_code

URL = "/api/v1/auth/token"


def test_name_password_and_code_together_give_a_token(alice: User) -> None:
    answer = APIClient().post(
        URL,
        {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"},
    )

    assert answer.status_code == 201
    body = answer.json()
    assert body["device"]["name"] == "phone"
    assert body["expires_at"].endswith("Z")
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {body['token']}")
    assert api.get("/api/v1/me").json()["username"] == "alice"


def test_the_token_is_saved_only_as_a_hash(alice: User) -> None:
    issued = services.issue_token(user=alice, device_name="phone")

    kept = ApiToken.objects.values().get()
    assert issued.plain not in str(kept)
    assert kept["token_key"] == issued.plain[:8]


@pytest.mark.parametrize(
    "wrong",
    [
        {"username": "nobody"},
        {"password": "wrong"},
        {"otp": "000000"},
        {"otp": "not a code"},
        {"otp": "aaaa-bbbb-cccc-dddd"},
    ],
)
def test_every_wrong_part_has_the_same_answer(alice: User, wrong: dict[str, str]) -> None:
    body = {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"}

    answer = APIClient().post(URL, {**body, **wrong})

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {
        "type": "urn:portal:problem:invalid-credentials",
        "title": "Sign-in did not match",
        "status": 401,
        "detail": "The name, password or code did not match.",
        "code": "invalid-credentials",
        "errors": [],
    }


def test_a_person_without_a_second_factor_cannot_get_a_token(db: None) -> None:
    UserFactory.create(username="erin")

    answer = APIClient().post(
        URL, {"username": "erin", "password": PASSWORD, "otp": "123456", "device_name": "phone"}
    )

    assert answer.json()["code"] == "invalid-credentials"


def test_a_code_counts_once(alice: User) -> None:
    body = {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"}
    assert APIClient().post(URL, body).status_code == 201

    assert APIClient().post(URL, body).status_code == 401


def test_a_wrong_code_delays_the_next_one_and_says_how_long(alice: User) -> None:
    body = {"username": "alice", "password": PASSWORD, "device_name": "phone"}
    APIClient().post(URL, {**body, "otp": "000000"})

    answer = APIClient().post(URL, {**body, "otp": app_code()})

    assert answer.status_code == 429
    assert answer.json()["code"] == "throttled"
    assert answer["Retry-After"] == "1"


def test_a_stale_token_or_cookie_does_not_prevent_signing_in(alice: User) -> None:
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION="Bearer gone")

    answer = api.post(
        URL,
        {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"},
    )

    assert answer.status_code == 201


def test_signing_out_ends_only_this_token(alice: User, api_of: ApiOf) -> None:
    phone, laptop = api_of(alice), api_of(alice)

    assert phone.delete(URL).status_code == 204

    assert phone.get("/api/v1/me").status_code == 401
    assert laptop.get("/api/v1/me").status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x y", "Bearer \xff\xfe", "Bearer " + "a" * 5000]
)
def test_malformed_tokens_are_401(alice: User, header: str) -> None:
    answer = APIClient().get("/api/v1/me", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer.json()["code"] == "not-signed-in"


def test_an_expired_token_is_401(alice: User, api_of: ApiOf) -> None:
    api = api_of(alice)
    ApiToken.objects.update(expiry="2020-01-01T00:00:00Z")

    assert api.get("/api/v1/me").status_code == 401


def test_the_token_of_an_inactive_person_is_401(alice: User, api_of: ApiOf) -> None:
    api = api_of(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert api.get("/api/v1/me").status_code == 401


def test_a_page_can_call_the_api_with_its_session(alice: User, client_of: ClientOf) -> None:
    assert client_of(alice).get("/api/v1/me").json()["username"] == "alice"


def test_a_session_without_a_second_factor_cannot_call_the_api(alice: User) -> None:
    api = APIClient()
    api.force_login(alice)

    answer = api.get("/api/v1/me")

    assert answer.status_code == 403
    assert answer.json()["code"] == "second-factor-required"


def test_a_page_that_changes_something_needs_its_csrf_token(
    alice: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    browser.handler.enforce_csrf_checks = True

    answer = browser.post(
        "/api/v1/organizations/acme/resources", {}, content_type="application/json"
    )

    assert answer.status_code == 403
    assert "CSRF" in answer.json()["detail"]


def test_me_names_roles_by_organization(alice: User, bob: User, api_of: ApiOf) -> None:
    body = api_of(bob).get("/api/v1/me").json()

    assert body["username"] == "bob"
    assert body["memberships"] == [
        {"organization": {"slug": "acme", "name": "Acme"}, "role": "viewer"}
    ]


def test_the_oldest_device_is_evicted_beyond_the_limit(alice: User) -> None:
    first = services.issue_token(user=alice, device_name="first").token
    for number in range(services.MAX_DEVICES_PER_USER):
        services.issue_token(user=alice, device_name=f"device {number}")

    assert ApiToken.objects.count() == services.MAX_DEVICES_PER_USER
    assert not ApiToken.objects.filter(pk=first.pk).exists()


def test_codes_of_an_unconfirmed_app_do_not_count(alice: User) -> None:
    Authenticator.objects.update(confirmed=False)

    answer = APIClient().post(
        URL,
        {"username": "alice", "password": PASSWORD, "otp": app_code(), "device_name": "phone"},
    )

    assert answer.status_code == 401
