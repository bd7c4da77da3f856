"""`me` and what is under it: the same rules as on the page, with a token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts import services
from portal.accounts.models import ApiToken, Authenticator, RecoveryCode, User
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, AuthenticatorFactory

ME = "/api/v1/me"
NEW = "another staple altogether"
PASSWORDS = {"current_password": PASSWORD, "new_password": NEW}


@pytest.fixture
def program(alice: User, api_of: ApiOf) -> APIClient:
    return api_of(alice)


def errors_of(answer: Any) -> list[tuple[str, str]]:
    return [(one["field"], one["code"]) for one in answer.json()["errors"]]


def test_the_name_is_changed_and_shown(program: APIClient) -> None:
    answer = program.patch(ME, {"display_name": "Alice  Novák"})

    assert answer.json()["user"]["display_name"] == "Alice Novák"
    assert program.get(ME).json()["user"]["display_name"] == "Alice Novák"
    assert program.patch(ME, {}).json()["user"]["display_name"] == "Alice Novák"
    assert program.patch(ME, {"display_name": ""}).json()["user"]["display_name"] == ""


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"display_name": "x" * 101}, ("display_name", "too-long")),
        ({"display_name": 7}, ("display_name", "wrong-type")),
        ({"display_name": "a\u202eb"}, ("display_name", "odd-characters")),
        ({"username": "eve"}, ("username", "unknown-field")),
    ],
)
def test_a_wrong_field_is_named(
    program: APIClient, body: dict[str, Any], error: tuple[str, str]
) -> None:
    answer = program.patch(ME, body)

    assert (answer.status_code, errors_of(answer)) == (400, [error])


def test_a_new_password_ends_the_token_of_the_call(program: APIClient, alice: User) -> None:
    assert program.post(f"{ME}/password", PASSWORDS).status_code == 204

    assert program.get(ME).status_code == 401
    assert User.objects.get(pk=alice.pk).check_password(NEW)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"current_password": "wrong"}, ("current_password", "wrong-password")),
        ({"new_password": "short"}, ("new_password", "weak-password")),
        ({"new_password": PASSWORD}, ("new_password", "same-password")),
    ],
)
def test_a_refused_password_is_named_at_its_field(
    program: APIClient, changed: dict[str, str], error: tuple[str, str]
) -> None:
    answer = program.post(f"{ME}/password", PASSWORDS | changed)

    assert (answer.status_code, errors_of(answer)) == (400, [error])
    assert program.get(ME).status_code == 200


def test_factors_are_listed_renamed_and_removed(program: APIClient, alice: User) -> None:
    tablet = AuthenticatorFactory.create(user=alice, name="Tablet")
    url = f"{ME}/factors/app/{tablet.pk}"
    assert program.patch(url, {"name": "Old tablet"}).status_code == 204
    body = program.get(f"{ME}/factors").json()
    assert [(one["kind"], one["name"]) for one in body["results"]] == [
        ("app", "App"), ("app", "Old tablet"),
    ]  # fmt: skip
    assert "key" not in str(body)

    assert program.delete(url).status_code == 204

    assert [one.name for one in Authenticator.objects.filter(user=alice)] == ["App"]
    last = Authenticator.objects.get(user=alice)
    assert program.delete(f"{ME}/factors/app/{last.pk}").json()["code"] == "last-factor"
    assert program.delete(f"{ME}/factors/no-such-kind/{last.pk}").status_code == 404


def test_new_recovery_codes_work(program: APIClient, alice: User) -> None:
    answer = program.post(f"{ME}/recovery-codes")

    code, *others = answer.json()["codes"]
    assert (answer.status_code, len(others), RecoveryCode.objects.count()) == (201, 9, 10)
    services.check_second_factor(user=alice, code=code, address="192.0.2.1")
    assert program.get(f"{ME}/factors").json()["recovery_codes_left"] == 9


def test_each_change_needs_a_fresh_factor(program: APIClient, alice: User) -> None:
    ApiToken.objects.update(factor_at=timezone.now() - timedelta(minutes=6))
    factor = f"{ME}/factors/app/{Authenticator.objects.get(user=alice).pk}"

    answers = [
        program.post(f"{ME}/password", PASSWORDS),
        program.patch(factor, {"name": "Other"}),
        program.delete(factor),
        program.post(f"{ME}/recovery-codes"),
    ]

    assert [one.json()["code"] for one in answers] == [
        "fresh-factor-required",
        "fresh-factor-required",
        "fresh-sign-in-required",
        "fresh-sign-in-required",
    ]
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


SESSIONS = f"{ME}/sessions"


def test_own_sessions_are_listed_with_the_one_of_the_call_first(
    program: APIClient, alice: User, bob: User, api_of: ApiOf, client_of: ClientOf
) -> None:
    client_of(alice).get(ME)
    api_of(bob)

    first, second = program.get(SESSIONS).json()["results"]

    assert (first["kind"], first["device"], first["is_this"]) == ("app", "test", True)
    assert (second["kind"], second["is_this"], second["address"]) == ("browser", False, "127.0.0.1")
    assert second["last_seen_at"].endswith("Z")


def test_a_program_ends_a_session_and_then_all_others(
    program: APIClient, alice: User, api_of: ApiOf, client_of: ClientOf
) -> None:
    browser, other = client_of(alice), api_of(alice)
    browser.get(ME)
    [session] = [one for one in program.get(SESSIONS).json()["results"] if one["kind"] == "browser"]

    assert program.delete(f"{SESSIONS}/{session['id']}").status_code == 204
    assert browser.get(ME).status_code == 401
    assert program.delete(f"{SESSIONS}/{session['id']}").status_code == 404
    assert program.delete(SESSIONS).status_code == 204
    assert other.get(ME).status_code == 401
    [left] = program.get(SESSIONS).json()["results"]
    answer = program.delete(f"{SESSIONS}/{left['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "this-session")


def test_ending_sessions_by_api_needs_a_fresh_factor(program: APIClient, alice: User) -> None:
    ApiToken.objects.update(factor_at=timezone.now() - timedelta(minutes=6))
    [session] = program.get(SESSIONS).json()["results"]

    for path in (SESSIONS, f"{SESSIONS}/{session['id']}"):
        answer = program.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "fresh-factor-required")
