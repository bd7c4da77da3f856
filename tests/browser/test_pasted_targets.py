"""One button corrects what a person pasted, with JavaScript and without, and keeps the rest of the
form.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import violations

PageOf = Callable[..., Page]
FORM = "/organizations/acme/requests/new"
PASTED = "“203.0.113.4 – 203.0.113.9”, tcp://203.0.113.20:443, 203[.]0[.]113[.]21"


@pytest.mark.parametrize("width", [390, 1280])
def test_a_pasted_range_and_port_are_converted_while_typing(page_of: PageOf, width: int) -> None:
    alice = page_of("alice", viewport={"width": width, "height": 800})
    alice.goto(FORM)
    alice.locator("#options summary").click()
    alice.get_by_label("Reason").fill("Since 03:05")
    alice.get_by_label("Something else").fill(PASTED)
    alice.get_by_label("Something else").press("Tab")

    ranged = alice.get_by_role("button", name="Use 203.0.113.4/30 and 203.0.113.8/31")
    expect(ranged).to_be_visible()
    assert violations(alice) == []
    assert alice.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    ranged.click()
    alice.get_by_role("button", name="Use 203.0.113.20, port 443 and TCP").click()

    expect(alice.get_by_label("Something else")).to_have_value(
        re.compile(r"203\.0\.113\.4/30, 203\.0\.113\.8/31, 203\.0\.113\.20/32, 203\[\.\]0")
    )
    expect(alice.locator("#ports")).to_have_value("443")
    expect(alice.get_by_label("TCP", exact=True)).to_be_checked()
    expect(alice.locator("#reason")).to_have_value("Since 03:05")
    expect(alice.locator("#other-e .err")).to_have_count(0)
    expect(alice.locator("#will")).to_contain_text("203.0.113.21")


def test_a_button_applies_the_correction_without_javascript(page_of: PageOf) -> None:
    alice = page_of("alice", java_script_enabled=False, viewport={"width": 390, "height": 800})
    alice.goto(FORM)
    alice.get_by_label("Something else").fill("203.0.113.7:443")
    alice.get_by_role("button", name="Send request").last.click()
    expect(alice.locator("#sum")).to_contain_text("Nothing was sent.")

    alice.get_by_role("button", name="Use 203.0.113.7 and port 443").click()

    expect(alice.get_by_label("Something else")).to_have_value("203.0.113.7/32")
    expect(alice.locator("#ports")).to_have_value("443")
    expect(alice.locator("#sum")).to_have_count(0)
