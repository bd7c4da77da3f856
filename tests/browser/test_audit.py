"""The audit's page as an admin sees it, on a phone and on a desk, in light and dark."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.test_every_page import ACME, TOO_WIDE
from tests.browser.test_people import look

PageOf = Callable[..., Page]


def test_the_audit_fits_and_is_accessible_at_every_width(portal: Stack, page_of: PageOf) -> None:
    page = page_of("alice")
    page.goto(f"{ACME}/audit")
    look(page)
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate(TOO_WIDE) == []


def test_a_filter_is_part_of_the_address(portal: Stack, page_of: PageOf) -> None:
    page = page_of("alice")
    page.goto(f"{ACME}/audit")
    expect(page.get_by_text("Signed in").first).to_be_visible()

    page.get_by_label("What", exact=True).select_option(label="API tokens")
    page.get_by_label("Who").fill("no one at all")
    page.get_by_role("button", name="Find").click()

    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    assert "what=tokens" in page.url
    page.get_by_role("link", name="Clear filters").click()
    expect(page.get_by_text("Signed in").first).to_be_visible()
