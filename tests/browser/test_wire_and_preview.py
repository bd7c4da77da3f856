"""The preview before a request and the wire journal after it, at common screen sizes, and without
JavaScript.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import reload_until
from tests.browser.test_main_job import status
from tests.browser.test_people import TABLET, look

PageOf = Callable[..., Page]
NEW = "/organizations/acme/requests/new"


@pytest.fixture
def alice(page_of: PageOf) -> Page:
    return page_of("alice")


@pytest.fixture
def asked(alice: Page, portal: Stack) -> Iterator[str]:
    """A request that a provider mitigates; it is terminated afterwards."""
    alice.goto(NEW)
    alice.get_by_label("Something else").fill("203.0.113.131")
    alice.get_by_role("button", name="Preview").click()
    expect(alice.locator("h1")).to_have_text("What will be sent")
    alice.get_by_role("button", name="Send request").click()
    alice.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(status(alice)).to_have_attribute("data-status", "mitigating")
    url = alice.url.partition("#")[0]
    yield url
    alice.goto(f"{url}/terminate")
    alice.get_by_role("button", name="Terminate now").first.click()
    expect(status(alice)).to_have_attribute("data-status", "terminated")


def test_the_journal_shows_the_messages_that_were_previewed(alice: Page, asked: str) -> None:
    alice.get_by_role("link", name="Wire journal").click()
    # The journal is written in the background, up to FLUSH_S later, and its page does not update
    # itself.
    reported = alice.locator(".wire").get_by_text("Northgate reports: mitigating")
    reload_until(reported)

    asked_for = alice.locator(".wire details", has_text="Asks Northgate to start mitigation").last
    expect(asked_for).to_be_visible()
    expect(alice.locator(".wire")).to_contain_text("Northgate accepts, for 3,600")
    expect(reported.first).to_be_visible()
    asked_for.locator("summary").click()
    expect(asked_for.locator("pre").first).to_contain_text('"203.0.113.131/32"')

    with alice.expect_download() as download:
        alice.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".jsonl")
    assert '"203.0.113.131/32"' in download.value.path().read_text()


def test_every_page_fits_and_is_accessible(alice: Page, asked: str) -> None:
    alice.goto(f"{asked}/wire?messages=all")
    reload_until(alice.locator(".wire details"))
    expect(alice.locator(".wire details").first).to_be_visible()
    look(alice, more=[TABLET])

    alice.goto(NEW)
    alice.get_by_label("Something else").fill("203.0.113.131")
    alice.get_by_role("button", name="Preview").click()
    alice.locator("details.fold summary").first.click()
    look(alice, more=[TABLET])

    alice.goto(f"{asked}/extend/preview?lifetime=14400")
    expect(alice.locator("ins").first).to_contain_text('"lifetime": 14400')
    look(alice, more=[TABLET])


def test_the_preview_works_without_javascript_and_keeps_the_form(page_of: PageOf) -> None:
    page = page_of("alice", java_script_enabled=False)
    page.goto(NEW)
    page.get_by_label("Something else").fill("203.0.113.132")
    page.locator("#options > summary").click()
    page.get_by_label("Ports").fill("80, 443")

    page.get_by_role("button", name="Preview").click()
    expect(page.locator("h1")).to_have_text("What will be sent")
    page.get_by_role("button", name="Change").click()

    expect(page.get_by_label("Something else")).to_have_value("203.0.113.132")
    expect(page.locator("#ports")).to_have_value("80, 443")


def test_an_extension_is_previewed_and_sent_without_javascript(page_of: PageOf, asked: str) -> None:
    page = page_of("alice", java_script_enabled=False)
    page.goto(asked)
    page.locator("#extend > summary").click()
    page.locator("#extend").get_by_role("link", name="Preview").click()
    expect(page.locator("h1")).to_have_text("What extending sends")
    page.get_by_role("link", name="12 hours").click()

    expect(page.locator("del").first).to_contain_text('"lifetime": 3600')
    expect(page.locator("ins").first).to_contain_text('"lifetime": 43200')
    page.get_by_role("button", name="Extend for 12 hours").click()

    expect(page.locator("ol.time")).to_contain_text("alice extended the request for 12 hours")
