"""A passkey as the first second factor, instead of an authenticator app."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts import services
from portal.accounts.models import Authenticator, RecoveryCode, User
from portal.accounts.services import enrolment, passkeys
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.errors import Conflict
from portal.core.throttle import Limit
from portal.organizations import members
from portal.organizations.models import Membership, Organization, Role
from tests.conftest import ApiOf, HalfSignedIn
from tests.factories import PASSWORD, MembershipFactory, UserFactory, app_code
from tests.portal.accounts.enrolling import enrolled_codes, shown_codes, shown_key
from tests.portal.accounts.soft_passkey import SoftPasskey
from tests.portal.web.conftest import text_of
from tests.portal.web.me.test_passkeys import options_in

ENROL, PASSKEY = "/enrol", "/enrol/passkey"
HOME = "/organizations/acme/"


@pytest.fixture
def erin(acme: Organization) -> User:
    """An admin of Acme without a second factor."""
    erin: User = UserFactory.create(username="erin")
    MembershipFactory.create(organization=acme, user=erin, role=Role.ADMIN)
    return erin


def enrolled(browser: Client, passkey: SoftPasskey) -> Any:
    return browser.post(PASSKEY, {"answer": passkey.made(options_in(browser.get(ENROL)))})


def test_the_first_passkey_signs_in_and_shows_recovery_codes_once(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(erin)
    assert browser.get(HOME)["Location"] == ENROL

    answer = enrolled(browser, SoftPasskey())

    codes = shown_codes(answer.content.decode())
    assert (answer.status_code, len(codes)) == (200, enrolment.RECOVERY_CODES)
    assert browser.get(HOME).status_code == 200
    assert RecoveryCode.objects.filter(kit__user=erin).count() == len(codes)
    [entry] = AuditEntry.objects.filter(verb=Verb.FACTOR_ENROLLED)
    assert (entry.actor_name, entry.factor) == ("erin", "webauthncredential:An unknown browser")
    assert not Authenticator.objects.exists()


def test_the_next_sign_in_asks_for_the_passkey_or_a_recovery_code(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    passkey = SoftPasskey(asks=False)
    codes = shown_codes(enrolled(half_signed_in(erin), passkey).content.decode())
    again, other = half_signed_in(erin), half_signed_in(erin)

    assert again.get(ENROL)["Location"] == "/sign-in/code"
    page = again.get("/sign-in/code")
    assert 'name="code"' not in page.content.decode()
    given = {"answer": passkey.given(options_in(page))}

    assert again.post("/sign-in/code/passkey", given)["Location"] == "/"
    assert other.post("/sign-in/code", {"recovery_code": codes[0]})["Location"] == "/"


def test_the_only_factor_stays_until_there_is_another(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(erin)
    enrolled(browser, SoftPasskey())
    one = WebAuthnCredential.objects.get()
    remove = f"/me/second-factor/passkey/{one.pk}/remove"
    page = browser.get("/me/second-factor").content.decode()
    assert (remove in page, "Your only second factor cannot be removed." in page) == (False, True)

    assert browser.post(remove).status_code == 409
    key = enrolment.new_key(user=erin).key
    services.add_authenticator(user=erin, key=key, code=app_code(key), name="Tablet", address="")
    assert browser.post(remove).status_code == 302

    assert [one.name for one in services.factors_of(erin)] == ["Tablet"]
    # The app that was added takes the place of the passkey in this session.
    assert browser.get(HOME).status_code == 200


def test_a_person_with_a_passkey_alone_counts_as_able_to_sign_in(
    erin: User, alice: User, bob: User, half_signed_in: HalfSignedIn, api_of: ApiOf
) -> None:
    last = Membership.objects.get(user=alice)
    assert members.is_last_admin(last)

    enrolled(half_signed_in(erin), SoftPasskey())

    assert not members.is_last_admin(last)
    shown = api_of(bob).get("/api/v1/organizations/acme/members").json()["results"]
    assert {one["username"]: one["has_second_factor"] for one in shown}["erin"]


def test_a_code_is_asked_for_only_where_there_is_an_app(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(erin)
    passkey = SoftPasskey()
    enrolled(browser, passkey)
    session = browser.session
    session["factor_at"] -= timedelta(minutes=10).total_seconds()
    session.save()

    question = browser.get("/me/password")

    page = text_of(question.content.decode())
    assert ("Recovery code" in page, "Code from your authenticator app" in page) == (True, False)
    form = {"next": "/me/password", "step_up_passkey": passkey.given(options_in(question))}
    assert browser.post("/confirm", form)["Location"] == "/me/password"


def test_a_program_needs_an_app(erin: User, half_signed_in: HalfSignedIn) -> None:
    enrolled(half_signed_in(erin), SoftPasskey())
    body = {"username": "erin", "password": PASSWORD, "otp": "123456", "device_name": "phone"}

    answer = Client().post("/api/v1/auth/token", body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid-credentials")


@pytest.mark.parametrize("answer", ["", "{}", "[]", "x" * 20_000, '{"id": "a"}'])
def test_a_wrong_answer_saves_nothing_and_the_page_has_a_new_challenge(
    erin: User, half_signed_in: HalfSignedIn, answer: str
) -> None:
    browser = half_signed_in(erin)
    browser.get(ENROL)

    refused = browser.post(PASSKEY, {"answer": answer})

    assert refused.status_code == 400
    assert "The browser's answer did not match." in text_of(refused.content.decode())
    assert not WebAuthnCredential.objects.exists()
    assert not RecoveryCode.objects.exists()
    good = {"answer": SoftPasskey().made(options_in(refused))}
    assert browser.post(PASSKEY, good).status_code == 200


def test_a_challenge_counts_once_in_its_session_and_for_five_minutes(
    erin: User, half_signed_in: HalfSignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = half_signed_in(erin), half_signed_in(erin)
    made = {"answer": SoftPasskey().made(options_in(one.get(ENROL)))}
    other.get(ENROL)
    assert other.post(PASSKEY, made).status_code == 400
    monkeypatch.setattr(passkeys, "CHALLENGE_S", -1)

    assert one.post(PASSKEY, made).status_code == 400
    assert not WebAuthnCredential.objects.exists()


def test_the_second_of_two_enrolments_goes_to_the_sign_in(
    erin: User, half_signed_in: HalfSignedIn
) -> None:
    first, late = half_signed_in(erin), half_signed_in(erin)
    options, key = options_in(late.get(ENROL)), shown_key(late)
    enrolled(first, SoftPasskey())

    by_passkey = late.post(PASSKEY, {"answer": SoftPasskey(id=b"late").made(options)})
    by_app = late.post(ENROL, {"code": app_code(key)})

    assert (by_passkey["Location"], by_app["Location"]) == ("/sign-in/code", "/sign-in/code")
    assert WebAuthnCredential.objects.count() == 1
    with pytest.raises(Conflict):
        enrolled_codes(erin)


def test_tries_are_counted_and_need_the_password(
    erin: User, half_signed_in: HalfSignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Limit(name="few-enrolments", tries=1, window_s=60, message="Too many tries.")
    monkeypatch.setattr(passkeys, "TRIES_PER_ADDRESS", few)
    browser = half_signed_in(erin)

    assert browser.post(PASSKEY, {"answer": "x"}).status_code == 400
    assert browser.post(PASSKEY, {"answer": "x"}).status_code == 429
    assert Client().post(PASSKEY, {"answer": "x"})["Location"].startswith("/sign-in?")
