"""A colleague lost the phone: one admin asks for a reset, another one confirms it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.steps import count_interactions, interactions, left_by_itself, press
from tests.browser.test_people import PASSWORD, join, link_to, look

pytestmark = pytest.mark.timeout(420)


def test_two_admins_reset_a_lost_phone(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    mo = page_of("mo")
    mo.goto("/portal/organizations/new")
    mo.get_by_label("Name", exact=True).fill(f"Umbrella {int(time.time())}")
    mo.get_by_label("Email address of the first admin").fill("una@umbrella.example")
    is_on_its_way = mo.get_by_text("A mail to una@umbrella.example is on its way.")
    secret = portal.secrets.totp_secrets["mo"]
    press(mo, "Add and send the invitation", secret, done=is_on_its_way)
    una, ulf, uri = (count_interactions(context_of()).new_page() for _ in range(3))
    key = join(una, link_to(una, portal, "una@umbrella.example"), "una")
    members = f"{una.url}/members"
    keys = {}
    for page, name, role in ((ulf, "ulf", "admin"), (uri, "uri", "viewer")):
        una.goto(members)
        una.get_by_label("Email address").fill(f"{name}@umbrella.example")
        una.locator(f"input[name=role][value={role}]").check()
        is_on_its_way = una.get_by_text(f"A mail to {name}@umbrella.example is on its way.")
        press(una, "Send invitation", key, done=is_on_its_way)
        keys[name] = join(page, link_to(page, portal, f"{name}@umbrella.example"), name)
    una.goto(members.removesuffix("/settings/members"))
    interactions(una)

    una.get_by_role("link", name="Settings").first.click()
    una.get_by_role("navigation", name="Settings").get_by_role("link", name="Members").click()
    una.get_by_role("link", name="Lost phone… (uri)").click()
    una.get_by_label("How did you check who asked?").fill("Called back at the number we know")
    waits = una.get_by_text("Another admin than you has to confirm it, on this page.")
    press(una, "Ask for a reset", key, done=waits)
    assert interactions(una) == 5
    look(una)

    # The mail to the other admins has the address of this page.
    ulf.goto(una.url)
    interactions(ulf)
    done = ulf.get_by_text("The second factor is reset.")
    press(ulf, "Reset now", keys["ulf"], done=done)
    assert interactions(ulf) == 1

    left_by_itself(uri)
    uri.get_by_label("Name").fill("uri")
    uri.get_by_label("Password", exact=True).fill(PASSWORD)
    uri.get_by_role("button", name="Continue").click()
    expect(uri.locator("h1")).to_contain_text("second factor")
