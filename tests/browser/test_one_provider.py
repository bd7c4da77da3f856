"""A person asks the next provider manually and withdraws one alone, with two real providers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from local_stack.stack import Stack
from tests.integration.stack import control

PageOf = Callable[..., Page]

# Many turns of two providers, and the first test waits for every process to start.
pytestmark = pytest.mark.timeout(300)
TARGET = "203.0.113.64/27"


@pytest.fixture(autouse=True)
def _quick(portal: Stack) -> Iterator[None]:
    calm = {"accept": "always", "status_delay_s": 1, "attack_ends_after_s": None, "hop_loop": None}
    for provider in ("northgate", "tidewall"):
        control(portal, provider, "/behaviour", calm)
    yield
    for provider in ("northgate", "tidewall"):
        control(portal, provider, "/behaviour", calm)


def filtering(portal: Stack, provider: str) -> list[dict[str, Any]]:
    """The mitigations that the provider itself holds for the target."""
    found: list[dict[str, Any]] = control(portal, provider, "/state")["mitigations"]
    return [one for one in found if one["scope"]["target-prefix"] == [TARGET] and one["status"] < 5]


def provider_card(page: Page, provider: str) -> Locator:
    return page.locator(".provider-card", has=page.get_by_role("heading", name=provider))


def ask_for_help(page: Page) -> None:
    page.goto("/organizations/acme/requests/new")
    page.get_by_label("Customer API").check()
    page.get_by_role("button", name="Send request").last.click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))


def terminate(page: Page) -> None:
    page.get_by_text("Terminate…").first.click()
    page.get_by_role("button", name="Terminate now").click()
    expect(page.locator(".crumb [data-status]")).to_have_attribute("data-status", "terminated")


def test_a_person_asks_the_next_provider_manually_and_withdraws_the_late_one(
    portal: Stack, page_of: PageOf
) -> None:
    control(portal, "northgate", "/behaviour", {"accept": "silent"})
    alice = page_of("alice")
    ask_for_help(alice)

    # One interaction: no question, because it only adds help.
    provider_card(alice, "Tidewall").get_by_role("button", name="Ask Tidewall now").click()
    expect(provider_card(alice, "Tidewall")).to_contain_text("Reports that it is filtering.")
    expect(alice.locator("ol.time")).to_contain_text("alice asked Tidewall manually.")
    (there,) = filtering(portal, "tidewall")
    assert filtering(portal, "northgate") == []

    # The first one answers: both stay, and the page says so.
    control(portal, "northgate", "/behaviour", {"accept": "always"})
    expect(provider_card(alice, "Northgate")).to_contain_text("Reports that it is filtering.")
    expect(provider_card(alice, "Tidewall")).to_contain_text(
        "Northgate accepted late. Tidewall stays on until you withdraw it."
    )

    # Two interactions: the question says which traffic will come through.
    provider_card(alice, "Northgate").get_by_text("Withdraw Northgate only…").click()
    expect(provider_card(alice, "Northgate")).to_contain_text("Tidewall goes on filtering.")
    provider_card(alice, "Northgate").get_by_role("button", name="Withdraw", exact=True).click()
    expect(provider_card(alice, "Northgate").locator("[data-status]")).to_have_attribute(
        "data-status", "terminated"
    )
    expect(provider_card(alice, "Northgate")).to_contain_text("alice withdrew it at")
    expect(alice.locator(".crumb [data-status]")).to_have_attribute("data-status", "mitigating")
    assert filtering(portal, "northgate") == []
    assert [one["mid"] for one in filtering(portal, "tidewall")] == [there["mid"]]

    # A withdrawn provider can be asked again: a new mitigation on the same card.
    provider_card(alice, "Northgate").get_by_role("button", name="Ask Northgate again now").click()
    expect(provider_card(alice, "Northgate")).to_contain_text("Reports that it is filtering.")
    assert len(filtering(portal, "northgate")) == 1
    terminate(alice)
    assert filtering(portal, "northgate") == filtering(portal, "tidewall") == []


def test_the_page_offers_a_call_and_a_retry_when_all_refuse(portal: Stack, page_of: PageOf) -> None:
    control(portal, "northgate", "/behaviour", {"hop_loop": "edge-1.example core-2.example"})
    control(portal, "tidewall", "/behaviour", {"accept": "refuse", "refuse_code": "4.03"})
    alice = page_of("alice")
    ask_for_help(alice)

    expect(alice.locator("h1")).to_have_text("No provider has confirmed help. Still trying.")
    expect(alice.locator(".say").get_by_role("link", name="Call Northgate")).to_be_visible()
    expect(provider_card(alice, "Northgate")).to_contain_text(
        "It looped through edge-1.example and core-2.example."
    )
    expect(provider_card(alice, "Tidewall")).to_contain_text("Retrying at")

    control(portal, "tidewall", "/behaviour", {"accept": "always"})
    provider_card(alice, "Tidewall").get_by_role("button", name="Ask Tidewall again now").click()
    expect(alice.locator("h1")).to_contain_text("Tidewall reports it is filtering")

    # A provider behind looping gateways is retried only manually, once they are fixed.
    control(portal, "northgate", "/behaviour", {"hop_loop": None})
    provider_card(alice, "Northgate").get_by_role("button", name="Ask Northgate again now").click()
    expect(provider_card(alice, "Northgate")).to_contain_text("Reports that it is filtering.")
    terminate(alice)
