"""The life of a plan on the pages: prepared, held, contact lost, activated by the provider,
reported afterwards, activated manually.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.test_main_job import status
from tests.browser.test_people import TABLET, look
from tests.integration.stack import control

PageOf = Callable[..., Page]
STANDBY = "/organizations/acme/standby"


@pytest.fixture(autouse=True)
def _worker_runs(portal: Stack) -> Iterator[None]:
    behaviour = {"accept": "always", "status_delay_s": 0.5, "attack_ends_after_s": None}
    for provider in ("northgate", "tidewall"):
        control(portal, provider, "/behaviour", behaviour)
    yield
    if not portal["signal-1"].is_running:
        portal["signal-1"].start()
        portal["signal-1"].wait_until_ready()


def test_a_plan_is_prepared_watched_through_lost_contact_and_activated(
    portal: Stack, page_of: PageOf
) -> None:
    alice = page_of("alice")
    alice.goto(f"{STANDBY}/new")
    alice.locator("#name").fill("Mail, full flood")
    alice.get_by_label("Mail relays").check()
    alice.get_by_role("button", name="Turn on plan").last.click()
    alice.wait_for_url(re.compile(r"/standby/[0-9a-f-]{36}"))
    # The page updates without a reload.
    expect(alice.locator("h1")).to_have_text("Both providers hold the plan.")
    expect(alice.locator(".provider-card").first).to_contain_text("Holds the plan.")

    portal["signal-1"].kill()
    control(portal, "northgate", "/clients/acme/lose", {})
    expect(alice.locator(".provider-card").first).to_contain_text("Contact lost at")
    expect(alice.locator(".provider-card").first).to_contain_text(
        "If Northgate sees an attack, it activates this plan automatically; no one can confirm that now."
    )
    portal["signal-1"].start()

    expect(alice.locator("h1")).to_contain_text("Northgate reports it is filtering")
    expect(alice.locator(".lead")).to_contain_text("Northgate had activated the plan at")
    alice.goto("/organizations/acme/")
    expect(alice.locator("article.card h2").first).to_have_text("Mail, full flood")
    alice.locator("article.card h2 a").first.click()
    alice.get_by_text("Terminate…").first.click()
    expect(alice.locator("#terminate .ask-end")).to_contain_text("The plan is then off")
    # Stopping and keeping the plan: two interactions, and the plan does not have to be turned on
    # again.
    alice.goto(alice.url.partition("#")[0])
    alice.get_by_text("Stop filtering…").click()
    expect(alice.locator("#stop .ask-end")).to_contain_text("Northgate will hold the plan again")
    look(alice, more=[TABLET])
    alice.get_by_role("button", name="Stop filtering now").click()
    expect(alice.locator("ol.time")).to_contain_text("alice told Northgate to stop filtering.")

    alice.goto(STANDBY)
    alice.get_by_role("link", name="Mail, full flood").first.click()
    expect(alice.locator("h1")).to_have_text("Both providers hold the plan.")
    expect(alice.locator("ol.time")).to_contain_text("Northgate confirmed that it stopped.")
    # Two interactions.
    alice.get_by_text("Activate…").click()
    alice.get_by_role("button", name="Activate now").click()
    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(alice.locator("h1")).to_contain_text("Both providers report they are filtering")
    alice.get_by_text("Terminate…").first.click()
    alice.get_by_role("button", name="Terminate now").click()
    # Wait for the answer: closing a browser during navigation may hang.
    expect(status(alice)).to_have_attribute("data-status", re.compile("terminat"))


def test_the_standby_pages_fit_at_every_width(page_of: PageOf) -> None:
    page = page_of("alice")
    paths = [STANDBY, f"{STANDBY}/new"]
    page.goto(STANDBY)
    plan = page.locator("article.card h2 a").first
    if plan.count():
        url = plan.get_attribute("href") or ""
        paths += [url, f"{url}/edit", f"{url}/activate"]
    for path in paths:
        page.goto(path)
        look(page, more=[TABLET])


def test_the_keys_g_s_open_standby(page_of: PageOf) -> None:
    page = page_of("alice")
    page.goto("/organizations/acme/")
    page.keyboard.press("g")
    page.keyboard.press("s")

    page.wait_for_url(f"**{STANDBY}")
