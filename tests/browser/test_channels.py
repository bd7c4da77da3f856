"""Settings › Notices: an admin adds a channel, changes and removes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import press
from tests.browser.test_people import look

LIST = "/organizations/acme/settings/notices"
LONG = "Night shift of the operations centre in both countries"

pytestmark = pytest.mark.timeout(420)


def test_a_channel_is_added_changed_and_removed(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    alice, secret = page_of("alice"), portal.secrets.totp_secrets["alice"]
    alice.goto(LIST)
    look(alice, "No channel yet.")
    alice.get_by_role("link", name="Add a channel").click()
    look(alice, "Add a channel")
    alice.get_by_role("link", name="Webhook").click()
    alice.get_by_label("Name").fill(LONG)
    alice.get_by_label("Address").fill("https://10.0.0.1/hook")
    wrong = alice.get_by_text("10.0.0.1 is not a public address.").first
    press(alice, "Add channel", secret, done=wrong)
    alice.locator("main details summary").click()
    look(alice)
    alice.get_by_label("Address").fill(f"https://hooks.example.com/{'x' * 80}")
    press(alice, "Add channel", secret, done=alice.get_by_text("it cannot be shown again"))
    look(alice, f"{LONG}: Not tried yet")

    alice.get_by_role("button", name="Switch off").click()
    expect(alice.locator("h1")).to_have_text(f"{LONG}: Switched off")
    alice.goto(LIST)
    look(alice, "1 channel for notices.")
    alice.get_by_role("link", name=LONG).click()
    alice.get_by_role("link", name="Remove…").click()
    look(alice, f"Remove {LONG}?")
    gone = alice.get_by_role("heading", name="No channel yet.")
    press(alice, "Remove now", secret, done=gone)
