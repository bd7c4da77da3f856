"""A password that someone else set opens nothing but the page to choose another one."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from portal.accounts import access, services
from portal.accounts.models import LinkPurpose, MailedLink, User
from portal.accounts.services.mailed_links import make_link
from tests.conftest import ClientOf
from tests.factories import PASSWORD, app_code

FIRST = "delivered by a colleague 17"
OWN = "another staple altogether"
TOKEN = "/api/v1/auth/token"


@pytest.fixture
def given(bob: User, mo: User, client_of: ClientOf) -> User:
    """bob, whose password staff set."""
    answer = client_of(mo).post(
        f"/admin/accounts/user/{bob.pk}/password/",
        {"password1": FIRST, "password2": FIRST, "usable_password": "true"},
    )
    assert answer.status_code == 302, answer.content.decode()
    return User.objects.get(pk=bob.pk)


def signed_in(password: str) -> Client:
    browser = Client()
    browser.post("/sign-in", {"username": "bob", "password": password})
    assert browser.post("/sign-in/code", {"code": app_code()}).status_code == 302
    return browser


def test_only_the_page_for_another_password_opens(given: User) -> None:
    browser = signed_in(FIRST)

    for path in ("/", "/organizations/acme/", "/me/factors", "/me/profile", "/admin/"):
        assert browser.get(path)["Location"] == "/me/password", path
    posted = browser.post("/organizations/acme/requests/new", {"other": "203.0.113.8/32"})
    assert posted["Location"] == "/me/password"
    called = browser.get("/api/v1/me")
    assert (called.status_code, called.json()["code"]) == (403, "password-change-required")
    assert access.user_of_session(str(browser.session.session_key)) is None
    assert "Someone else set the password" in browser.get("/me/password").content.decode()


def test_another_password_opens_everything(given: User) -> None:
    browser = signed_in(FIRST)

    same = browser.post("/me/password", {"current_password": FIRST, "new_password": FIRST})
    changed = browser.post("/me/password", {"current_password": FIRST, "new_password": OWN})

    assert same.status_code == 400
    assert "Someone else set the password" in same.content.decode()
    assert (changed.status_code, changed["Location"]) == (302, "/")
    assert browser.get("/organizations/acme/").status_code == 200
    assert access.user_of_session(str(browser.session.session_key)) == given
    assert not User.objects.get(pk=given.pk).must_change_password


def sign_in_by_api(**more: Any) -> Any:
    body = {"username": "bob", "password": FIRST, "otp": app_code(), "device_name": "phone"}
    return APIClient().post(TOKEN, body | more, format="json")


def test_a_program_gets_no_token_before_another_password(given: User) -> None:
    refused = sign_in_by_api()
    weak = sign_in_by_api(otp=app_code(steps=1), new_password=FIRST)

    assert (refused.status_code, refused.json()["code"]) == (403, "password-change-required")
    assert weak.status_code == 400


def test_a_program_chooses_another_password_as_it_signs_in(given: User) -> None:
    answer = sign_in_by_api(new_password=OWN)

    assert answer.status_code == 201
    given.refresh_from_db()
    assert given.check_password(OWN)
    assert not given.must_change_password


def test_a_new_password_at_an_ordinary_sign_in_is_refused(bob: User) -> None:
    answer = sign_in_by_api(password=PASSWORD, new_password=OWN)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "not-required"


def test_the_first_password_of_a_person_from_a_shell_is_not_their_own(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(f"{FIRST}\n"))

    call_command("add_person", "ann", "--staff", stdout=StringIO())

    assert User.objects.get(username="ann").must_change_password


def test_a_password_from_a_mailed_link_is_the_persons_own(given: User) -> None:
    User.objects.filter(pk=given.pk).update(email="bob@example.com")
    token, _ = make_link(user=given, purpose=LinkPurpose.PASSWORD, email="bob@example.com")
    assert MailedLink.objects.exists()

    services.choose_password(token=token, new=OWN, address="192.0.2.1")

    assert not User.objects.get(pk=given.pk).must_change_password


def test_staff_who_change_their_own_password_keep_it(mo: User, client_of: ClientOf) -> None:
    mo.set_password(FIRST)
    mo.password_is_own = True
    mo.save()

    assert not User.objects.get(pk=mo.pk).must_change_password
