"""The audit's page as an admin sees it, on a phone and on a desk, in light and dark."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.test_every_page import ACME, TOO_WIDE

PageOf = Callable[..., Page]


@pytest.mark.timeout(300)
def test_the_audit_fits_and_is_accessible_at_every_width(portal: Stack, page_of: PageOf) -> None:
    for scheme in ("light", "dark"):
        page = page_of("alice", color_scheme=scheme)
        for width in (320, 360, 390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.goto(f"{ACME}/audit")
            assert page.evaluate(TOO_WIDE) == [], width
            violations = Axe().run(page).response["violations"]
            found = [(one["id"], one["nodes"][0]["html"]) for one in violations]
            assert found == [], (scheme, width)
            if shots := os.environ.get("AUDIT_SHOTS"):
                page.screenshot(path=Path(shots) / f"audit-{width}-{scheme}.png", full_page=True)


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
