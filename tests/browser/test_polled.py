"""A detector that the portal polls, from the form to its alert."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.test_every_page import ACME, NARROW, is_accessible_and_fits
from tests.integration.stack import wait_for
from tests.portal.alerts.detector_apis import TOKEN, Answer, Sightline, serving

PageOf = Callable[..., Page]
ENDPOINTS: Final = f"{ACME}/settings/alerts"
NOT_OURS: Final = "198.51.100.77"
WITHIN_S: Final = 60.0


def test_an_admin_adds_sightline_and_its_alert_arrives(portal: Stack, page_of: PageOf) -> None:
    api = Sightline()
    with serving(api):
        page = page_of("alice", viewport=NARROW)
        page.goto(f"{ENDPOINTS}/new")
        is_accessible_and_fits(page)
        page.get_by_role("link", name="Arbor Sightline").click()
        page.get_by_label("Name", exact=True).fill("Core network")
        page.get_by_label("Address of Sightline").fill("http://sightline.example")
        page.get_by_label("API token").fill(TOKEN)
        page.get_by_role("button", name="Add endpoint").click()
        expect(page.locator("#poll_url-e")).to_contain_text("Use https")
        is_accessible_and_fits(page)
        picture(page, "error")
        page.get_by_label("Address of Sightline").fill(api.url)
        page.get_by_label("API token").fill(TOKEN)
        page.get_by_role("button", name="Add endpoint").click()
        path = str(page.get_by_role("link", name="Remove…").get_attribute("href"))
        path = path.removesuffix("/remove")

        api.begin("1", NOT_OURS, datetime.now(UTC))
        page.get_by_role("button", name="Test now").click()
        expect(page.get_by_text("The detector answers HTTP 200")).to_be_visible()
        is_accessible_and_fits(page)
        picture(page, "tested")

        wait_for(lambda: "Last used" in words_of(page, path), within_s=WITHIN_S)
        expect(page.locator("h1")).to_have_text("Core network: Polled")
        api.instead = [Answer(401)] * 9
        page.get_by_role("button", name="Test now").click()
        expect(page.get_by_text("The detector refuses the token or key.").first).to_be_visible()
        is_accessible_and_fits(page)
        picture(page, "refused")
        page.goto(f"{path}/remove")
        page.get_by_role("button", name="Remove").click()
        expect(page.get_by_text("Core network is removed")).to_be_visible()


def words_of(page: Page, path: str) -> str:
    page.goto(path)
    return page.locator("main").inner_text()


def picture(page: Page, name: str) -> None:
    """At three widths, light and dark, if POLLED_SHOTS names a directory."""
    shots = os.environ.get("POLLED_SHOTS")
    if not shots:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (360, 390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=Path(shots) / f"{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 320, "height": 640})
