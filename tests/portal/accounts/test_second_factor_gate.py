from __future__ import annotations

import time

import pytest
from django.test import Client

from portal.accounts.models import User
from portal.accounts.services import sessions
from tests.conftest import ClientOf, HalfSignedIn
from tests.factories import UserFactory, app_code


def test_an_anonymous_visitor_signs_in_and_returns_to_the_page(db: None) -> None:
    answer = Client().get("/organizations/acme/requests?status=failing")

    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in?next=/organizations/acme/requests%3Fstatus%3Dfailing"


def test_a_session_with_only_a_password_is_redirected_to_the_code(
    alice: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(alice)

    assert browser.get("/organizations/acme/")["Location"] == "/sign-in/code"


def test_a_person_without_a_second_factor_is_redirected_to_its_setup(
    db: None, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(UserFactory.create())

    assert browser.get("/organizations/acme/")["Location"] == "/enrol"


def test_another_persons_second_factor_does_not_count(
    alice: User, bob: User, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    session = browser.session
    session["otp_device_id"] = bob.authenticator_set.get().persistent_id
    session.save()

    assert browser.get("/organizations/acme/")["Location"].startswith("/sign-in?")


def test_a_password_is_valid_for_ten_minutes_without_its_code(
    alice: User, half_signed_in: HalfSignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = half_signed_in(alice)
    later = time.time() + sessions.PASSWORD_ONLY_SESSION.total_seconds() + 1
    monkeypatch.setattr("portal.accounts.services.sessions.time.time", lambda: later)

    assert browser.post("/sign-in/code", {"code": app_code()})["Location"].startswith("/sign-in?")


@pytest.mark.parametrize(
    "path", ["/static/../organizations/acme/", "//organizations/acme/", "/apis"]
)
def test_a_path_that_only_looks_public_is_protected(alice: User, path: str) -> None:
    browser = Client()
    browser.force_login(alice)

    assert browser.get(path).status_code in (301, 302, 404)
    assert b"Acme" not in browser.get(path).content
