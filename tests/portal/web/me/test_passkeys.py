"""Passkeys: added on Me, given instead of a code or of password and code, and removed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts.models import User
from portal.accounts.services import passkeys
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.core.throttle import Limit
from tests.conftest import ClientOf, HalfSignedIn
from tests.portal.accounts.soft_passkey import SoftPasskey
from tests.portal.organizations.mails import mails_to

URL = "/me/second-factor"
ADD = f"{URL}/add-passkey"
ALONE = "/sign-in/passkey"
HOME = "/organizations/acme/"


def options_in(answer: Any) -> dict[str, Any]:
    found = re.search(r'data-options="([^"]+)"', answer.content.decode())
    assert found
    return dict(json.loads(html.unescape(found[1])))


def added(browser: Client, passkey: SoftPasskey, name: str = "Laptop") -> Any:
    options = options_in(browser.get(ADD))
    return browser.post(ADD, {"name": name, "answer": passkey.made(options)})


@pytest.fixture
def passkey(mailed: User, client_of: ClientOf) -> SoftPasskey:
    """Of alice."""
    one = SoftPasskey()
    assert added(client_of(mailed), one).status_code == 302
    return one


def test_a_passkey_is_added_shown_and_mailed(
    mailed: User, passkey: SoftPasskey, client_of: ClientOf
) -> None:
    page = client_of(mailed).get(URL).content.decode()

    assert ("Laptop" in page, "Passkey" in page) == (True, True)
    assert mails_to(mailed.email)[-1].startswith("A second factor was added\n")
    [entry] = AuditEntry.objects.filter(verb=Verb.FACTOR_ENROLLED)
    assert entry.object_name == "Laptop"


def test_a_passkey_that_asks_its_person_is_both_factors(passkey: SoftPasskey) -> None:
    browser = Client()

    answer = browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})

    assert answer["Location"] == "/"
    assert browser.get(HOME).status_code == 200
    [entry] = AuditEntry.objects.filter(verb=Verb.SIGNED_IN)
    assert (entry.actor_name, entry.factor) == ("alice", "webauthncredential:Laptop")
    assert WebAuthnCredential.objects.get().last_used_at is not None


def test_a_passkey_that_does_not_ask_is_a_second_factor_only(
    passkey: SoftPasskey, mailed: User, half_signed_in: HalfSignedIn
) -> None:
    passkey.asks = False
    browser = Client()
    alone = browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})
    assert alone.status_code == 401
    assert browser.get(HOME)["Location"].startswith("/sign-in?")

    second = half_signed_in(mailed)
    options = options_in(second.get("/sign-in/code"))
    answer = second.post("/sign-in/code/passkey", {"answer": passkey.given(options)})

    assert answer["Location"] == "/"
    assert second.get(HOME).status_code == 200


def test_a_passkey_makes_an_old_session_fresh(
    passkey: SoftPasskey, mailed: User, stale_client_of: Callable[[User], Client]
) -> None:
    browser = stale_client_of(mailed)
    options = options_in(browser.get("/me/password"))

    form = {"next": "/me/password", "step_up_passkey": passkey.given(options)}
    assert browser.post("/confirm", form)["Location"] == "/me/password"

    assert 'id="current_password"' in browser.get("/me/password").content.decode()


def test_the_passkey_of_someone_else_does_not_match(
    passkey: SoftPasskey, bob: User, half_signed_in: HalfSignedIn, client_of: ClientOf
) -> None:
    assert added(client_of(bob), SoftPasskey(id=b"bob's own")).status_code == 302
    browser = half_signed_in(bob)
    options = options_in(browser.get("/sign-in/code"))

    answer = browser.post("/sign-in/code/passkey", {"answer": passkey.given(options)})

    assert answer.status_code == 401
    assert browser.get(HOME)["Location"] == "/sign-in/code"


def test_an_answer_counts_once_and_only_for_its_challenge(
    passkey: SoftPasskey, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Client()
    old = passkey.given(options_in(browser.get(ALONE)))
    new = passkey.given(options_in(browser.get(ALONE)))
    assert browser.post(ALONE, {"answer": old}).status_code == 401
    assert browser.post(ALONE, {"answer": new}).status_code == 401
    assert Client().post(ALONE, {"answer": new}).status_code == 401

    late = passkey.given(options_in(browser.get(ALONE)))
    monkeypatch.setattr(passkeys, "CHALLENGE_S", -1)
    assert browser.post(ALONE, {"answer": late}).status_code == 401


def test_an_answer_for_another_site_does_not_match(passkey: SoftPasskey) -> None:
    browser = Client()
    passkey.origin = "https://evil.example"

    answer = browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})

    assert answer.status_code == 401


def test_a_deactivated_person_stays_out(passkey: SoftPasskey, mailed: User) -> None:
    User.objects.filter(pk=mailed.pk).update(is_active=False)
    browser = Client()

    answer = browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})

    assert answer.status_code == 401


JUNK = [
    "", "{", "[]", "null", '"text"', "{}", '{"id": 1}', "[" * 9000, "x" * 20_000, "\0",
    '{"id":"AA","rawId":"AA","type":"public-key","response":{}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":"x","clientExtensionResults":7}',
    '{"id":"é","rawId":"é","type":"public-key","response":{"clientDataJSON":"é",'
    '"attestationObject":"é","authenticatorData":"é","signature":"é"}}',
    '{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"AA",'
    '"attestationObject":"AA","authenticatorData":"AA","signature":"AA"}}',
]  # fmt: skip


@pytest.mark.parametrize("answer", JUNK)
def test_junk_is_refused(
    passkey: SoftPasskey, mailed: User, client_of: ClientOf, answer: str
) -> None:
    browser, inside = Client(), client_of(mailed)
    browser.get(ALONE)
    inside.get(ADD)

    assert browser.post(ALONE, {"answer": answer}).status_code == 401
    assert inside.post(ADD, {"name": "Junk", "answer": answer}).status_code == 400
    assert WebAuthnCredential.objects.count() == 1


def test_the_same_passkey_is_added_once(
    passkey: SoftPasskey, bob: User, client_of: ClientOf
) -> None:
    answer = added(client_of(bob), passkey, "Stolen")

    assert answer.status_code == 400
    assert WebAuthnCredential.objects.count() == 1


def test_tries_from_an_address_are_limited(
    passkey: SoftPasskey, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Limit(name="x", tries=1, window_s=60, message="Too many.")
    monkeypatch.setattr("portal.accounts.services.sign_in_limits.TRIES_PER_ADDRESS", few)
    browser = Client()
    assert browser.post(ALONE, {"answer": "{}"}).status_code == 401

    assert browser.post(ALONE, {"answer": "{}"}).status_code == 429


def test_a_person_has_a_limited_number_of_passkeys(
    passkey: SoftPasskey, mailed: User, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkeys, "MAX_PASSKEYS", 1)

    assert client_of(mailed).get(ADD).status_code == 409


def test_a_removed_passkey_ends_its_sessions(
    passkey: SoftPasskey, mailed: User, client_of: ClientOf
) -> None:
    browser = Client()
    browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})
    number = WebAuthnCredential.objects.get().pk

    client_of(mailed).post(f"{URL}/passkey/{number}/remove")

    assert not WebAuthnCredential.objects.exists()
    assert browser.get(HOME)["Location"].startswith("/sign-in")
