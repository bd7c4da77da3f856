"""What signs a person in changes only after password and second factor, or a passkey that is both,
were given again.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from portal.accounts import services
from portal.accounts.models import ApiToken, Authenticator, User
from portal.accounts.services.sessions import note_factor, note_sign_in
from portal.accounts.services.step_up import Credential
from portal.core.errors import FreshSignInRequired, InvalidCredentials
from portal.core.sign_in_paths import hashes_password
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, AuthenticatorFactory, app_code

STEP_UP = "/api/v1/auth/step-up"
ADDRESS = "192.0.2.1"


def session_of(first_s: float, factor_s: float) -> Credential:
    session = SessionStore()
    note_sign_in(session)
    session["first_step_at"] -= first_s
    session["factor_at"] -= factor_s
    return session


def token_of(first_s: float, factor_s: float) -> Credential:
    now = timezone.now()
    return ApiToken(
        first_step_at=now - timedelta(seconds=first_s), factor_at=now - timedelta(seconds=factor_s)
    )


@pytest.mark.parametrize("make", [session_of, token_of])
@pytest.mark.parametrize(
    ("first_s", "factor_s", "is_fresh"),
    [(1, 1, True), (290, 290, True), (301, 1, False), (1, 301, False), (-60, 1, False)],
)
def test_both_steps_are_fresh_for_five_minutes(
    make: object, first_s: int, factor_s: int, is_fresh: bool
) -> None:
    assert callable(make)
    credential = make(first_s, factor_s)

    if is_fresh:
        services.require_fresh_sign_in(credential)
    else:
        with pytest.raises(FreshSignInRequired):
            services.require_fresh_sign_in(credential)


@pytest.mark.parametrize("never", [SessionStore(), ApiToken()], ids=["session", "token"])
def test_a_credential_of_an_earlier_release_has_no_fresh_sign_in(never: Credential) -> None:
    if not isinstance(never, ApiToken):
        note_factor(never)

    with pytest.raises(FreshSignInRequired):
        services.require_fresh_sign_in(never)


def test_a_code_alone_is_no_fresh_sign_in_and_a_wrong_password_uses_no_code(alice: User) -> None:
    old = session_of(600, 600)

    with pytest.raises(InvalidCredentials):
        services.step_up(
            credential=old, user=alice, code=app_code(), address=ADDRESS, password="wrong"
        )
    services.step_up(credential=old, user=alice, code=app_code(), address=ADDRESS)

    services.require_fresh_factor(old)
    with pytest.raises(FreshSignInRequired):
        services.require_fresh_sign_in(old)


@pytest.fixture
def program(alice: User, api_of: ApiOf) -> APIClient:
    """alice's, which signed in an hour ago."""
    api = api_of(alice)
    before = timezone.now() - timedelta(hours=1)
    ApiToken.objects.update(factor_at=before, first_step_at=before)
    return api


def test_a_program_gives_password_and_code(program: APIClient, alice: User) -> None:
    refused = program.post("/api/v1/me/recovery-codes", format="json")
    wrong = program.post(STEP_UP, {"otp": app_code(), "password": "wrong"}, format="json")
    given = program.post(STEP_UP, {"otp": app_code(), "password": PASSWORD}, format="json")
    done = program.post("/api/v1/me/recovery-codes", format="json")

    assert (refused.status_code, refused.json()["code"]) == (403, "fresh-sign-in-required")
    assert (wrong.status_code, given.status_code, done.status_code) == (400, 200, 201)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/api/v1/me/email"),
        ("post", "/api/v1/me/factors"),
        ("post", "/api/v1/me/factors/app-key"),
        ("post", "/api/v1/me/recovery-codes"),
        ("delete", "/api/v1/me/factors/app/{factor}"),
    ],
)
def test_every_such_call_needs_a_fresh_first_step(
    program: APIClient, alice: User, method: str, path: str
) -> None:
    ApiToken.objects.update(factor_at=timezone.now())
    factor = Authenticator.objects.get(user=alice).pk

    answer = getattr(program, method)(path.format(factor=factor), {}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (403, "fresh-sign-in-required")


@pytest.fixture
def browser(alice: User, client_of: ClientOf) -> Client:
    """alice's, in which a code was given now and the password an hour ago."""
    browser = client_of(alice)
    session = browser.session
    session["first_step_at"] -= 3600
    session.save()
    return browser


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/me/email"),
        ("get", "/me/second-factor/add-app"),
        ("get", "/me/second-factor/add-passkey"),
        ("post", "/me/second-factor/recovery-codes"),
        ("post", "/me/second-factor/app/{factor}/remove"),
    ],
)
def test_every_such_page_asks_for_the_password(
    browser: Client, alice: User, method: str, path: str
) -> None:
    AuthenticatorFactory.create(user=alice, name="Tablet")
    factor = Authenticator.objects.filter(user=alice).order_by("pk")[0].pk

    page = getattr(browser, method)(path.format(factor=factor))

    assert 'name="step_up_password"' in page.content.decode()
    assert Authenticator.objects.filter(pk=factor).exists()


def test_password_and_code_do_what_the_form_asked(browser: Client, alice: User) -> None:
    alice.email = "alice@example.com"
    alice.save()
    url, sent = "/me/email", {"email": "new@example.com"}

    without = browser.post(url, sent | {"step_up_code": app_code()})
    wrong = browser.post(url, sent | {"step_up_code": app_code(), "step_up_password": "x"})
    right = browser.post(url, sent | {"step_up_code": app_code(), "step_up_password": PASSWORD})

    assert "This did not match" in without.content.decode()
    assert "This did not match" in wrong.content.decode()
    assert PASSWORD not in wrong.content.decode()
    assert right.status_code == 302


def test_the_page_that_asks_first_opens_the_other_one(browser: Client) -> None:
    url = "/me/second-factor/add-app"
    asked = browser.get(url).content.decode()
    assert 'name="step_up_sign_in"' in asked
    answer = browser.post(
        "/confirm",
        {
            "next": url,
            "step_up_sign_in": "1",
            "step_up_code": app_code(),
            "step_up_password": PASSWORD,
        },
    )

    assert (answer.status_code, answer["Location"]) == (302, url)
    assert "step_up_password" not in browser.get(url).content.decode()


def test_a_person_without_a_password_is_asked_for_a_passkey_or_the_identity_provider(
    browser: Client, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(password="!")
    client = browser
    session = client.session
    session["_auth_user_hash"] = User.objects.get(pk=alice.pk).get_session_auth_hash()
    session.save()

    page = client.get("/me/second-factor/add-app").content.decode()

    assert "step_up_password" not in page
    assert "step_up_code" not in page
    assert "Confirm at your identity provider" in page


def test_forms_with_a_password_wait_for_the_slots_of_passwords() -> None:
    for path in ("/me/email", "/confirm", "/me/second-factor/recovery-codes", STEP_UP):
        assert hashes_password("POST", path)
        assert not hashes_password("GET", path)


def test_no_age_is_fresh_that_is_unknown() -> None:
    assert not services.has_fresh_first_step(SessionStore())
