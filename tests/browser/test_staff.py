"""Staff look at all customers, act for one and stop, suspend one and lift it again, and decide about
a resource that overlaps.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import press
from tests.browser.test_people import look

REASON = "Their admin called: the request form fails"

pytestmark = pytest.mark.timeout(420)


def test_staff_act_for_a_customer_and_stop(portal: Stack, page_of: Callable[..., Page]) -> None:
    mo = page_of("mo")
    mo.goto("/portal/organizations/")
    expect(mo.locator("main")).to_contain_text("Acme")
    look(mo)
    mo.get_by_role("link", name="Acme").click()
    look(mo, "Acme")
    mo.locator("#act-reason").fill(REASON)
    banner = mo.get_by_role("region", name="Acting for an organization")
    press(mo, "Act for Acme", portal.secrets.totp_secrets["mo"], done=banner)
    expect(banner).to_contain_text("Every step is logged.")
    expect(mo.locator("#live")).to_contain_text("Live")
    look(mo)
    mo.goto("/organizations/acme/settings/providers")
    expect(mo.locator("main")).to_contain_text("Admins connect providers and change the order.")
    look(mo)

    banner.get_by_role("button", name="Stop").click()

    expect(mo.locator("main")).to_contain_text("You no longer act for Acme")
    expect(banner).to_have_count(0)
    mo.goto("/organizations/acme/")
    expect(mo.locator("h1")).to_contain_text("not")


def test_a_suspended_customer_reads_why_and_cannot_send(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    mo, charlie = page_of("mo"), page_of("charlie")
    secret = portal.secrets.totp_secrets["mo"]
    mo.goto("/portal/organizations/globex/")
    mo.locator("#suspend-reason").fill("Unpaid since September")
    lifts = mo.get_by_role("button", name="Lift the suspension")
    press(mo, "Suspend the organization", secret, done=lifts)
    expect(mo.locator("main")).to_contain_text("Globex is suspended. Its live requests continue.")
    look(mo)
    mo.goto("/portal/organizations/")
    expect(mo.locator("[data-status=suspended]")).to_have_text("Suspended")
    look(mo)

    charlie.goto("/organizations/globex/")
    banner = charlie.get_by_role("region", name="Suspended")
    expect(banner).to_contain_text("can send no new requests, plans, drills or extensions")
    expect(banner).to_contain_text("Reason: Unpaid since September")
    expect(charlie.locator("h1")).to_have_text("Not ready: Globex is suspended.")
    look(charlie)
    charlie.goto("/organizations/globex/requests/new")
    expect(charlie.locator("#will")).to_contain_text("This form cannot be sent.")
    expect(charlie.get_by_role("button", name="Send request")).to_have_count(0)
    look(charlie)

    mo.goto("/portal/organizations/globex/")
    suspends = mo.get_by_role("button", name="Suspend the organization")
    press(mo, "Lift the suspension", secret, done=suspends)
    charlie.goto("/organizations/globex/")
    expect(banner).to_have_count(0)


def test_staff_compare_both_sides_of_an_overlap_and_refuse(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    mo, charlie = page_of("mo"), page_of("charlie")
    charlie.goto("/organizations/globex/settings/resources")
    charlie.get_by_label("Prefix, name or web address").fill("203.0.113.16/28")
    charlie.get_by_label("Name", exact=True).fill("Our part of the shop")
    charlie.get_by_role("button", name="Add resource").last.click()
    charlie.get_by_role("button", name="Ask portal staff").click()
    expect(charlie.locator("h1")).to_contain_text("waits for staff")
    mo.goto("/portal/organizations/")
    mo.get_by_role("link", name="for a decision").click()
    look(mo, "for a decision")

    mo.get_by_role("link", name="Our part of the shop").click()

    expect(mo.locator("main")).to_contain_text("Both sides")
    expect(mo.locator("main")).to_contain_text("Acme")
    look(mo, "Our part of the shop")
    mo.locator("#refuse-reason").fill("The registry names another holder")
    read = mo.get_by_text("Globex reads that Our part of the shop was refused, and why.")
    press(mo, "Refuse", portal.secrets.totp_secrets["mo"], done=read)
    charlie.reload()
    expect(charlie.locator("h1")).to_contain_text("refused")
    expect(charlie.locator("main")).to_contain_text("The registry names another holder")
