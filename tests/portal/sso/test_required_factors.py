"""Where single sign-on is required, a passkey is no way around it."""

from __future__ import annotations

from django.test import Client

from portal.accounts.models import User
from portal.organizations.models import Organization
from portal.sso.models import SingleSignOn
from tests.conftest import ClientOf, HalfSignedIn
from tests.portal.accounts.soft_passkey import SoftPasskey
from tests.portal.sso.conftest import configured
from tests.portal.sso.identity_provider import IdentityProvider
from tests.portal.web.me.test_passkeys import ALONE, HOME, added, options_in


def test_a_passkey_alone_opens_nothing_where_single_sign_on_is_required(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    bob: User,
    client_of: ClientOf,
) -> None:
    passkey = SoftPasskey()
    assert added(client_of(bob), passkey).status_code == 302
    configured(acme, alice, provider, domains=["acme.example"], is_required=True)
    browser = Client()

    answer = browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})

    assert answer.status_code == 403
    assert "single sign-on" in answer.content.decode()
    assert "_auth_user_id" not in browser.session
    assert browser.get(HOME)["Location"].startswith("/sign-in?")


def test_a_passkey_completes_no_session_that_began_before_it_was_required(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    bob: User,
    client_of: ClientOf,
    half_signed_in: HalfSignedIn,
) -> None:
    passkey = SoftPasskey()
    added(client_of(bob), passkey)
    half = half_signed_in(bob)
    options = options_in(half.get("/sign-in/code"))
    configured(acme, alice, provider, domains=["acme.example"], is_required=True)

    half.post("/sign-in/code/passkey", {"answer": passkey.given(options)})

    assert half.get(HOME).status_code == 302


def test_an_admin_signs_in_with_a_passkey_all_the_same(
    sso: SingleSignOn,
    provider: IdentityProvider,
    acme: Organization,
    alice: User,
    client_of: ClientOf,
) -> None:
    passkey = SoftPasskey()
    added(client_of(alice), passkey)
    configured(acme, alice, provider, domains=["acme.example"], is_required=True)
    browser = Client()

    answer = browser.post(ALONE, {"answer": passkey.given(options_in(browser.get(ALONE)))})

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert browser.get(HOME).status_code == 200
