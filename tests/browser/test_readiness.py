"""The readiness page: a drill as a person runs it, with real providers, and the printed report."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.test_people import TABLET, look
from tests.integration.stack import control

PageOf = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("calm")


@pytest.mark.timeout(300)
def test_a_drill_starts_with_one_click_and_its_progress_is_shown(
    portal: Stack, page_of: PageOf
) -> None:
    alice = page_of("alice")
    alice.goto("/organizations/acme/readiness")
    expect(alice.locator("h1")).to_contain_text("Ready.")

    alice.get_by_role("button", name="Run a drill").click()

    expect(alice.get_by_text("A drill has been running since")).to_be_visible()
    passed = alice.locator("table.drill").get_by_text("Passed")
    expect(passed).to_have_count(2)
    expect(alice.locator("[data-code=drill]")).to_contain_text("both providers confirmed within")
    for provider in ("northgate", "tidewall"):
        held = control(portal, provider, "/state")["mitigations"]
        assert not [one for one in held if one["status"] < 5 or one["status"] == 8]

    alice.goto("/organizations/acme/")
    expect(alice.locator("h1")).to_have_text("Ready. Nothing is being mitigated.")
    expect(alice.locator(".lead")).to_contain_text("In the last drill that passed")


def test_the_pages_fit_and_are_accessible(page_of: PageOf) -> None:
    page = page_of("bob")
    for path in ("", "readiness", "readiness/drills"):
        page.goto(f"/organizations/acme/{path}")
        look(page, more=[TABLET])


def test_more_opens_above_the_bottom_bar_of_a_phone(page_of: PageOf) -> None:
    phone = page_of("dana", viewport={"width": 360, "height": 740}, java_script_enabled=False)
    phone.goto("/organizations/acme/")

    phone.get_by_text("More", exact=True).click()
    phone.get_by_role("link", name="Drills").click()

    phone.wait_for_url("**/readiness/drills")


def test_a_key_sequence_opens_readiness(page_of: PageOf) -> None:
    bob = page_of("bob")
    bob.goto("/organizations/acme/requests")

    bob.keyboard.type("gd")

    bob.wait_for_url(re.compile(r"/readiness$"))
