"""Steps 1 to 5 of the main job, as a person does them, in a real browser with a real provider."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.installation import one_time_code
from local_stack.stack import Stack
from tests.browser.conftest import sign_in
from tests.integration.stack import control

ContextOf = Callable[..., BrowserContext]
PageOf = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("calm")


def filtering(portal: Stack, prefix: str) -> list[dict[str, Any]]:
    """The mitigations that the provider itself holds for that prefix."""
    found: list[dict[str, Any]] = control(portal, "northgate", "/state")["mitigations"]
    return [one for one in found if one["scope"]["target-prefix"] == [prefix] and one["status"] < 5]


def status(page: Page) -> Any:
    """The status badge of the request's page."""
    return page.locator(".crumb [data-status]")


def test_a_person_requests_mitigation_follows_it_and_terminates_it(
    portal: Stack, page_of: PageOf
) -> None:
    alice = page_of("alice")
    colleague = page_of("dana", viewport={"width": 390, "height": 844})
    stranger = page_of("charlie")
    expect(alice.locator("h1")).to_have_text("Ready. Nothing is being mitigated.")

    # Three interactions: open the form, tick, send.
    alice.get_by_role("link", name="Request mitigation", exact=True).first.click()
    alice.get_by_label("Customer API").check()
    alice.get_by_role("button", name="Send request").last.click()

    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(status(alice)).to_have_attribute("data-status", "mitigating")
    expect(alice.locator("h1")).to_contain_text("Northgate reports it is filtering")
    expect(alice.locator(".provider-card").first).to_contain_text("Reports that it is filtering.")
    expect(alice.locator("figure.chart path.fill-a")).to_have_count(1)

    (there,) = filtering(portal, "203.0.113.64/27")

    # A colleague's page updated without a reload; the other organization's page shows nothing.
    expect(colleague.locator("article.card [data-status]").first).to_have_attribute(
        "data-status", "mitigating"
    )
    expect(stranger.locator("h1")).to_have_text("Ready. Nothing is being mitigated.")
    stranger.goto(alice.url)
    expect(stranger.locator("h1")).not_to_contain_text("filtering")
    assert "203.0.113.64" not in stranger.content()

    alice.get_by_role("button", name="Still under attack").click()
    expect(alice.locator("ol.time")).to_contain_text("alice")

    control(
        portal, "northgate", f"/mitigations/{there['cuid']}/{there['mid']}/status", {"status": 3}
    )
    expect(status(alice)).to_have_attribute("data-status", "attack_stopped")

    alice.get_by_text("Terminate…").first.click()
    alice.get_by_role("button", name="Terminate now").click()
    expect(status(alice)).to_have_attribute("data-status", "terminated")
    expect(alice.locator("h1")).to_contain_text("Terminated.")
    assert filtering(portal, "203.0.113.64/27") == []

    alice.get_by_role("button", name="Acknowledge").click()
    expect(alice.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_a_reopened_laptop_shows_the_current_state(
    portal: Stack, page_of: PageOf, context_of: ContextOf
) -> None:
    alice = page_of("alice")
    alice.goto("/organizations/acme/requests/new")
    alice.get_by_label("Something else").fill("203.0.113.130")
    alice.get_by_role("button", name="Send request").last.click()
    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(status(alice)).to_have_attribute("data-status", "mitigating")
    (there,) = filtering(portal, "203.0.113.130/32")

    # Going offline closes no open socket, so the test stops the server as well.
    alice.context.set_offline(True)
    portal["web"].restart()
    expect(alice.get_by_text("Reconnecting")).to_be_visible()
    control(
        portal, "northgate", f"/mitigations/{there['cuid']}/{there['mid']}/status", {"status": 3}
    )
    alice.context.set_offline(False)

    expect(status(alice)).to_have_attribute("data-status", "attack_stopped")
    expect(alice.locator("#banner")).to_contain_text("were missed and are shown now")
    alice.get_by_text("Terminate…").first.click()
    alice.get_by_role("button", name="Terminate now").click()
    expect(status(alice)).to_have_attribute("data-status", "terminated")


def test_the_first_sign_in_sets_up_the_second_factor(portal: Stack, context_of: ContextOf) -> None:
    page = context_of().new_page()
    page.goto("/organizations/acme/")
    page.wait_for_url(re.compile(r"/sign-in(\?|$)"))
    page.get_by_label("Name").fill("erin")
    page.locator("[name=password]").fill(portal.secrets.passwords["erin"])
    page.locator("[name=password]").press("Enter")

    page.wait_for_url(re.compile(r"/enrol(\?|$)"))
    expect(page.locator("main svg").first).to_be_visible()
    key = page.locator("b.key").inner_text().replace(" ", "")
    page.goto("/organizations/acme/")
    page.wait_for_url(re.compile(r"/enrol(\?|$)"))
    code, _ = one_time_code(key)
    page.locator("[autocomplete=one-time-code]").fill(code)
    expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_text("Download as text").click()
    text = saved.value.path().read_text()
    assert page.get_by_label("Recovery codes").locator("li").all_inner_texts() == text.split()[-10:]
    page.get_by_label("I have saved them").check()
    page.get_by_role("button", name="Continue").click()

    page.wait_for_url("**/organizations/acme/")


def test_no_page_violates_the_content_security_policy(portal: Stack, context_of: ContextOf) -> None:
    page = context_of().new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, portal, "bob")
    for path in ("", "requests", "requests?status=terminated", "readiness", "readiness/drills"):
        page.goto(f"/organizations/acme/{path}")
        page.wait_for_load_state("networkidle")

    assert complaints == []
