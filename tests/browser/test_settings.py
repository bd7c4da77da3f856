"""Settings that no other test opens: tokens and single sign-on, empty and filled."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import press
from tests.browser.test_people import look

LONG = "Monitoring of the shop front-end in both data centres"

pytestmark = pytest.mark.timeout(420)


@pytest.mark.parametrize("path", ["/organizations/acme/settings/tokens", "/me/tokens"])
def test_a_token_is_shown_once_can_be_copied_and_is_revoked(
    portal: Stack, page_of: Callable[..., Page], path: str
) -> None:
    alice, secret = page_of("alice"), portal.secrets.totp_secrets["alice"]
    alice.goto(path)
    look(alice)
    alice.get_by_label("Name of the program").fill(LONG)
    alice.get_by_label("Only from these networks").fill("198.51.100.0/24\n2001:db8:10::/48")
    press(alice, "Make the token", secret, done=alice.get_by_text("Copy it now"))
    expect(alice.locator(".key + [data-copies]")).to_be_visible()
    look(alice)

    alice.goto(path)
    expect(alice.get_by_text("Copy it now")).to_have_count(0)
    row = alice.locator(".rows li", has_text=LONG)
    expect(row).to_contain_text("Only from 198.51.100.0/24, 2001:db8:10::/48.")
    press(alice, f"Revoke {LONG}", secret, done=alice.get_by_role("heading", name="No"))


def test_single_sign_on_shows_the_record_that_proves_a_domain(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    charlie, secret = page_of("charlie"), portal.secrets.totp_secrets["charlie"]
    charlie.goto("/organizations/globex/settings/single-sign-on")
    expect(charlie.locator("h1")).to_have_text("No single sign-on yet.")
    look(charlie)
    issuer = "https://login.an-identity-provider-with-a-long-name.example/realms/globex"
    charlie.get_by_label("Issuer").fill(issuer)
    charlie.get_by_label("Client ID").fill("portal")
    charlie.get_by_label("Client secret").fill("a secret of the test")
    charlie.locator("#domains").fill("globex.example\na-subsidiary-with-a-long-name.example")
    test = charlie.get_by_role("button", name="Test", exact=True)
    press(charlie, "Save", secret, done=test)
    expect(charlie.locator("main")).to_contain_text("_dots-portal.globex.example")
    look(charlie)

    charlie.get_by_role("link", name="Remove…").click()
    look(charlie, "Remove single sign-on?")
    gone = charlie.get_by_role("heading", name="No single sign-on yet.")
    press(charlie, "Remove now", secret, done=gone)
