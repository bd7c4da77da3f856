"""A person sees unknown mitigations, adopts one and withdraws another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Page, expect

import dots_client
from local_stack.stack import Stack
from provider_simulator.pki import client_credentials
from tests.browser.test_people import TABLET, look
from tests.integration.stack import control

PageOf = Callable[..., Page]
ADOPTED, WITHDRAWN = "203.0.113.50/32", "203.0.113.51/32"
NOW = "/organizations/acme/"


@pytest.fixture
def orphans(portal: Stack) -> None:
    """Made at Northgate under acme's identity, by a program that the portal does not know."""
    behaviour = {"accept": "always", "status_delay_s": 0.1, "terminating_s": 1}
    control(portal, "northgate", "/behaviour", behaviour)
    with ThreadPoolExecutor(1) as beside_playwrights_loop:
        beside_playwrights_loop.submit(asyncio.run, _ask(portal)).result()
    portal["signal-1"].restart()


async def _ask(portal: Stack) -> None:
    simulator, pki = portal.simulator("northgate"), portal.pki / "northgate"
    credentials = client_credentials(pki, "acme")
    async with dots_client.connect(
        dots_client.Server(
            name=simulator.server_name, host="127.0.0.1", port=simulator.signal_port
        ),
        credentials,
        cuid=dots_client.cuid_from_certificate(credentials.certificate_chain),
    ) as client:
        for mid, prefix in ((4001, ADOPTED), (4002, WITHDRAWN)):
            targets = dots_client.Targets(target_prefix=(prefix,))
            await client.request(mid, dots_client.Scope(targets=targets))


def provider_card(page: Page, prefix: str) -> str:
    return f"[data-unknown]:has-text('{prefix}')"


@pytest.mark.timeout(300)
def test_a_person_adopts_one_unknown_mitigation_and_withdraws_another(
    orphans: None, page_of: PageOf
) -> None:
    alice = page_of("alice")
    alice.goto(NOW)
    expect(alice.locator("[data-unknown]")).to_have_count(2)
    expect(alice.locator("h1")).to_contain_text("No request here asked for it.")
    look(alice, more=[TABLET])

    alice.locator(provider_card(alice, WITHDRAWN)).get_by_text("Withdraw…").click()
    alice.locator(provider_card(alice, WITHDRAWN)).get_by_role("button", name="Withdraw").click()

    # Without a reload: the page follows the provider's reports.
    expect(alice.locator(provider_card(alice, WITHDRAWN))).to_have_count(0)
    alice.locator(provider_card(alice, ADOPTED)).get_by_role("button", name="Adopt").click()
    expect(alice.locator("h1")).to_contain_text("Northgate reports it is filtering")
    expect(alice.get_by_text("alice adopted an existing mitigation")).to_be_visible()

    alice.get_by_text("Terminate…").first.click()
    alice.get_by_role("button", name="Terminate now").click()
    expect(alice.locator("h1")).to_contain_text("Terminated")
