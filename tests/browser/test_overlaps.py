"""A request for a part of the protected addresses: the page warns while it is typed, and sends one
request for both.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import violations
from tests.browser.test_main_job import status
from tests.integration.stack import control

PageOf = Callable[..., Page]


def test_a_loss_is_shown_while_typing_and_one_request_sent_for_both(
    portal: Stack, page_of: PageOf
) -> None:
    behaviour = {"accept": "always", "status_delay_s": 0.1, "attack_ends_after_s": None}
    for provider in ("northgate", "tidewall"):
        control(portal, provider, "/behaviour", behaviour)
    alice = page_of("alice", viewport={"width": 360, "height": 800})
    alice.goto("/organizations/acme/requests/new")
    alice.get_by_label("Something else").fill("2001:db8:10:a0::/60")
    alice.get_by_role("button", name="Send request").last.click()
    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))

    alice.goto("/organizations/acme/requests/new")
    alice.get_by_label("Something else").fill("2001:db8:10:a1::/64, 2001:db8:10:b1::/64")
    alice.get_by_label("Something else").press("Tab")

    warning = alice.locator("#overlaps .note.is-warn")
    expect(warning).to_contain_text("15 of 16 /64 networks")
    assert violations(alice) == []
    assert alice.evaluate("document.documentElement.scrollWidth - innerWidth") == 0

    alice.get_by_role("button", name="Send for both").click()
    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(alice.locator("#p-side")).to_contain_text("2001:db8:10:b1::/64")
    expect(alice.locator("#p-side")).to_contain_text("2001:db8:10:a0::/60")

    alice.get_by_text("Terminate…").first.click()
    alice.get_by_role("button", name="Terminate now").click()
    expect(status(alice)).to_have_attribute("data-status", "terminated")
