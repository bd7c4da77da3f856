"""Detectors: their endpoints in the settings, and what they propose."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.test_every_page import NARROW, is_accessible_and_fits

PageOf = Callable[..., Page]
ALERTS = "/organizations/acme/alerts"
ENDPOINTS = "/organizations/acme/settings/alerts"
TARGET = "203.0.113.10"


def add_endpoint(page: Page, source: str, name: str) -> str:
    """The path of a new endpoint; the page with its secret stays open."""
    page.goto(f"{ENDPOINTS}/new?source={source}")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Add endpoint").click()
    path = page.get_by_role("link", name="Remove…").get_attribute("href")
    assert path is not None
    return path.removesuffix("/remove")


def test_an_admin_sets_up_a_detector_and_tests_it(portal: Stack, page_of: PageOf) -> None:
    page = page_of("alice", viewport=NARROW)
    path = add_endpoint(page, "fastnetmon", "Edge routers")
    secret = page.locator("code.mono").inner_text()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-copied-from] [data-copies]").first.click()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert f"{path.rpartition('/')[2]}?key={secret}" in copied
    is_accessible_and_fits(page)

    page.get_by_role("button", name="Send a test").click()

    expect(page.get_by_text("The portal read the sample: An attack")).to_be_visible()
    expect(page.get_by_text(secret)).to_have_count(0)
    for shown in (ENDPOINTS, f"{ENDPOINTS}/new", path, f"{path}/remove"):
        page.goto(shown)
        is_accessible_and_fits(page)


def test_an_alert_becomes_a_request_and_its_end_is_proposed(
    portal: Stack, page_of: PageOf, calm: None
) -> None:
    admin = page_of("alice")
    path = add_endpoint(admin, "fastnetmon", "Core routers")
    secret = admin.locator("code.mono").inner_text()
    door = f"{portal.url}/api/v1/alerts/{path.rpartition('/')[2]}?key={secret}"
    page = page_of("dana", viewport=NARROW)
    page.goto(ALERTS)
    now = page_of("alice", viewport=NARROW)
    now.goto("/organizations/acme/")

    send(admin, door, "ban")

    expect(now.get_by_role("heading", name=f"Protect {TARGET}/32")).to_be_visible()
    expect(now.locator("#count-now")).to_have_text(re.compile("^1"))
    is_accessible_and_fits(now)

    # The page updates without a reload.
    proposal = page.locator("li", has_text=f"Protect {TARGET}/32")
    expect(proposal).to_contain_text("Core routers: udp_flood, 1.2 Gbit/s")
    expect(proposal).to_contain_text("Northgate, at once:")
    is_accessible_and_fits(page)
    proposal.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    status = page.locator(".crumb [data-status]")
    expect(status).to_have_attribute("data-status", "mitigating")
    expect(page.locator("#p-evidence")).to_contain_text("Core routers: udp_flood")

    send(admin, door, "unban")
    page.goto(ALERTS)
    expect(page.locator("#p-alerts")).to_contain_text("Its detectors report the end.")
    after_the_hold_down(portal)
    end = page.locator("li", has_text=f"Terminate the request for {TARGET}/32")
    expect(end).to_be_visible()
    is_accessible_and_fits(page)
    end.get_by_role("button", name="Terminate now").click()
    # The provider winds down first.
    expect(status).to_have_attribute("data-status", "terminated")
    page.goto(ALERTS)
    expect(page.locator("#p-alerts")).to_contain_text("dana confirmed.")


def send(page: Page, door: str, action: str) -> None:
    """What FastNetMon Advanced posts."""
    details = {
        "attack_uuid": "041eb504-7a0b-4a0c-9d9e-1c2a1b0a7a11",
        "attack_severity": "high",
        "attack_type": "udp_flood",
        "attack_direction": "incoming",
        "attack_protocol": "udp",
        "total_incoming_traffic": 150_000_000,
        "total_incoming_pps": 150_000,
    }
    sample = {
        "ip": TARGET, "alert_scope": "host", "action": action, "attack_details": details,
    }  # fmt: skip
    assert page.request.post(door, data=sample).status == 202


def after_the_hold_down(portal: Stack) -> None:
    """Five minutes pass for the incident."""
    database = portal.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        connection.execute(
            "UPDATE alerts_incident SET closes_at = began_at WHERE closes_at IS NOT NULL"
        )
