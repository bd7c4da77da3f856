from __future__ import annotations

import pytest
from django.test import Client

from portal.accounts.models import Authenticator, User
from portal.organizations.models import Organization, Role
from tests.factories import PASSWORD, MembershipFactory, UserFactory, app_code
from tests.portal.accounts.enrolling import shown_codes, shown_key


@pytest.fixture
def browser() -> Client:
    return Client()


def test_the_sign_in_page_asks_for_name_and_password_and_names_no_tenant(
    browser: Client, acme: Organization
) -> None:
    page = browser.get("/sign-in?next=/organizations/acme/").content.decode()

    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert "+1 555 0100" in page
    assert "Northgate" not in page


def test_signing_in_redirects_to_the_requested_page(browser: Client, alice: User) -> None:
    wanted = "/organizations/acme/requests"

    first = browser.post("/sign-in", {"username": "alice", "password": PASSWORD, "next": wanted})
    second = browser.post("/sign-in/code", {"code": app_code(), "next": wanted})

    assert first["Location"] == "/sign-in/code?next=%2Forganizations%2Facme%2Frequests"
    assert second["Location"] == wanted
    assert browser.get(wanted).status_code == 200


@pytest.mark.parametrize(
    "wish",
    [
        "https://evil.example/",
        "//evil.example",
        "javascript:alert(1)",
        "x",
        "now:now",
        "http://[",
        "/" + "a" * 5000,
    ],
)
def test_signing_in_never_redirects_to_another_site_or_an_error(
    browser: Client, alice: User, wish: str
) -> None:
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD, "next": wish})

    answer = browser.post("/sign-in/code", {"code": app_code(), "next": wish})

    assert answer["Location"] == "/"


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD)])
def test_every_wrong_part_gets_the_same_message_and_keeps_the_name(
    browser: Client, alice: User, name: str, password: str
) -> None:
    answer = browser.post("/sign-in", {"username": name, "password": password})

    page = answer.content.decode()
    assert answer.status_code == 401
    assert "The name, password or code did not match." in page
    assert f'value="{name}"' in page
    assert password not in page
    assert "<title>Error: Sign in" in page


def test_a_wrong_code_is_cleared_with_an_error_at_the_field(browser: Client, alice: User) -> None:
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})

    answer = browser.post("/sign-in/code", {"code": "000000"})

    page = answer.content.decode()
    assert answer.status_code == 401
    assert "That code did not match." in page
    assert "000000" not in page
    assert 'aria-describedby="otp-e otp-h"' in page


def test_too_many_attempts_say_when_to_retry(browser: Client, alice: User) -> None:
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    browser.post("/sign-in/code", {"code": "000000"})

    answer = browser.post("/sign-in/code", {"code": app_code()})

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    assert "Try again in" in answer.content.decode()


def test_the_code_step_without_a_password_redirects_back(browser: Client, db: None) -> None:
    assert browser.get("/sign-in/code")["Location"].startswith("/sign-in?")


def test_another_person_can_start_over(browser: Client, alice: User) -> None:
    browser.post("/sign-in", {"username": "alice", "password": PASSWORD})

    browser.post("/sign-out")

    assert browser.get("/sign-in/code")["Location"].startswith("/sign-in?")


def test_the_first_sign_in_sets_up_the_second_factor(browser: Client, acme: Organization) -> None:
    eve = UserFactory.create(username="eve")
    MembershipFactory.create(user=eve, organization=acme, role=Role.OPERATOR)
    browser.post("/sign-in", {"username": "eve", "password": PASSWORD})

    answer = browser.post("/enrol", {"code": app_code(shown_key(browser))})

    assert answer.status_code == 200
    assert Authenticator.objects.get(user=eve).confirmed


def test_a_wrong_first_code_is_an_error_at_the_field(browser: Client, db: None) -> None:
    UserFactory.create(username="eve")
    browser.post("/sign-in", {"username": "eve", "password": PASSWORD})
    browser.get("/enrol")

    answer = browser.post("/enrol", {"code": "000000"})

    assert answer.status_code == 400
    assert "check the phone’s clock" in answer.content.decode().replace("&#x27;", "’")


def test_a_recovery_code_signs_its_owner_in(browser: Client, acme: Organization) -> None:
    eve = UserFactory.create(username="eve")
    MembershipFactory.create(user=eve, organization=acme)
    browser.post("/sign-in", {"username": "eve", "password": PASSWORD})
    page = browser.post("/enrol", {"code": app_code(shown_key(browser))})
    one = shown_codes(page.content.decode())[0]
    elsewhere = Client()
    elsewhere.post("/sign-in", {"username": "eve", "password": PASSWORD})

    answer = elsewhere.post("/sign-in/code", {"recovery_code": one.upper()})

    assert "no-store" in page["Cache-Control"]
    assert answer["Location"] == "/"
    assert browser.post("/enrol/recovery-codes", {"saved": "yes"})["Location"] == "/"
