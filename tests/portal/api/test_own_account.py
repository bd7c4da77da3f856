"""One's own account by API: address and authenticator apps, as on the pages."""

from __future__ import annotations

from base64 import b32decode
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts.models import ApiToken, Authenticator, User
from portal.accounts.services import app_setup
from portal.accounts.services.factors import MAX_AUTHENTICATORS
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from tests.conftest import ApiOf, HalfSignedIn
from tests.factories import AuthenticatorFactory, UserFactory, app_code
from tests.portal.organizations.mails import mails_to

EMAIL, FACTORS = "/api/v1/me/email", "/api/v1/me/factors"
NEW = "new@example.com"


@pytest.fixture
def program(alice: User, api_of: ApiOf) -> APIClient:
    alice.email = "alice@example.com"
    alice.save()
    return api_of(alice)


def errors_of(answer: Any) -> list[tuple[str, str]]:
    return [(one["field"], one["code"]) for one in answer.json()["errors"]]


def mailed_word() -> str:
    [mail] = mails_to(NEW)
    return mail.partition("/me/email/")[2].split()[0]


def new_app(program: APIClient, *, name: str = "Tablet", **changed: Any) -> Any:
    shown = program.post(f"{FACTORS}/app-key").json()
    code = app_code(b32decode(shown["key"]))
    body = {"name": name, "code": code, "setup": shown["setup"], **changed}
    return program.post(FACTORS, body)


def test_a_new_address_counts_once_its_link_is_used(program: APIClient, alice: User) -> None:
    asked = program.post(EMAIL, {"email": "New@Example.com"})
    assert (asked.status_code, asked.json()) == (202, {"email": NEW})
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"

    answer = program.post(f"{EMAIL}/confirm", {"token": mailed_word()})

    assert (answer.status_code, answer.json()["user"]["email"]) == (200, NEW)
    about = [mail.partition("\n")[0] for mail in mails_to("alice@example.com")]
    assert about == [
        "New sign-in: test",
        "Someone wants to change your email address",
        "Your email address was changed",
    ]
    verbs = AuditEntry.objects.values_list("verb", flat=True)
    assert {Verb.EMAIL_CHANGE_ASKED, Verb.EMAIL_CHANGED} <= set(verbs)
    again = program.post(f"{EMAIL}/confirm", {"token": "x"})
    assert (again.status_code, again.json()["code"]) == (410, "link-ended")


def test_the_link_of_another_person_and_a_taken_address_are_refused(
    program: APIClient, bob: User, api_of: ApiOf
) -> None:
    program.post(EMAIL, {"email": NEW})
    foreign = api_of(bob).post(f"{EMAIL}/confirm", {"token": mailed_word()})
    UserFactory.create(username="eve", email=NEW)

    taken = program.post(f"{EMAIL}/confirm", {"token": mailed_word()})

    assert (foreign.status_code, foreign.json()["code"]) == (410, "link-ended")
    assert (taken.status_code, taken.json()["code"]) == (409, "address-taken")


@pytest.mark.parametrize(
    ("email", "code"),
    [("alice@example.com", "same-address"), ("no address", "not-an-address"), ("", "blank")],
)
def test_a_wrong_address_is_named_at_its_field(program: APIClient, email: str, code: str) -> None:
    answer = program.post(EMAIL, {"email": email})

    assert (answer.status_code, [field for field, _ in errors_of(answer)]) == (400, ["email"])


def test_the_sixth_change_of_address_within_an_hour_waits(program: APIClient) -> None:
    answers = [program.post(EMAIL, {"email": f"a{n}@example.com"}) for n in range(6)]

    assert [one.status_code for one in answers] == [202] * 5 + [429]


def test_an_app_is_added_and_signs_in(
    program: APIClient, alice: User, half_signed_in: HalfSignedIn
) -> None:
    shown = program.post(f"{FACTORS}/app-key").json()
    key = b32decode(shown["key"])
    assert shown["otpauth_uri"].startswith("otpauth://totp/")
    assert Authenticator.objects.count() == 1

    body = {"name": " Work  phone", "code": app_code(key), "setup": shown["setup"]}
    answer = program.post(FACTORS, body)

    assert (answer.status_code, answer.json()["name"]) == (201, "Work phone")
    assert "A second factor was added" in mails_to("alice@example.com")[-1]
    browser = half_signed_in(alice)
    assert browser.post("/sign-in/code", {"code": app_code(key, steps=1)})["Location"] == "/"
    again = program.post(FACTORS, {**body, "name": "Twin", "code": app_code(key, steps=1)})
    assert (again.status_code, again.json()["code"]) == (409, "same-app")


def test_a_wrong_app_is_named_at_its_field(
    program: APIClient, bob: User, api_of: ApiOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_bob = api_of(bob).post(f"{FACTORS}/app-key").json()["setup"]

    assert errors_of(new_app(program, code="000000")) == [("code", "code-mismatch")]
    assert errors_of(new_app(program, name="app")) == [("name", "name-taken")]
    for setup in ("x", "é", "A" * 400, of_bob):
        assert errors_of(new_app(program, setup=setup)) == [("setup", "setup-ended")]
    monkeypatch.setattr(app_setup, "SETUP_S", -1)
    assert errors_of(new_app(program)) == [("setup", "setup-ended")]
    assert Authenticator.objects.filter(user__username="alice").count() == 1


def test_more_apps_than_the_limit_are_refused(program: APIClient, alice: User) -> None:
    for number in range(MAX_AUTHENTICATORS - 1):
        AuthenticatorFactory.create(user=alice, name=f"App {number}")

    answer = new_app(program)

    assert (answer.status_code, answer.json()["code"]) == (409, "too-many-factors")


@pytest.mark.parametrize("path", [EMAIL, FACTORS, f"{FACTORS}/app-key"])
def test_changes_of_the_account_need_a_fresh_sign_in(program: APIClient, path: str) -> None:
    ApiToken.objects.update(factor_at=timezone.now() - timedelta(minutes=6))

    answer = program.post(path, {})

    assert (answer.status_code, answer.json()["code"]) == (403, "fresh-sign-in-required")
