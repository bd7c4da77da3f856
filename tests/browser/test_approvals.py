"""A second person approves, declines or is passed over; nothing is sent before."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import let_the_factor_age, press
from tests.browser.test_people import look
from tests.integration.stack import control

ACME = "/organizations/acme"
WAITING = "Nothing has been sent. Waiting for approval."
BUSY_TIMEOUT_S = 30

pytestmark = [pytest.mark.usefixtures("calm", "approval_of_all"), pytest.mark.timeout(420)]


@pytest.fixture
def approval_of_all(portal: Stack, page_of: Callable[..., Page]) -> Iterator[None]:
    choose(page_of("alice"), portal, "All", "A second person approves every request.")
    yield
    choose(page_of("alice"), portal, "None", "Requests are sent at once.")


def choose(alice: Page, portal: Stack, rule: str, headline: str) -> None:
    """The policy, on its page."""
    alice.goto(f"{ACME}/settings/policy")
    alice.get_by_label(rule, exact=True).check()
    is_saved = alice.get_by_text("The policy is saved, and applies from now.")
    press(alice, "Save policy", portal.secrets.totp_secrets["alice"], done=is_saved)
    expect(alice.locator("h1")).to_contain_text(headline)


def ask(dana: Page, target: str) -> str:
    """Returns the path of a request that waits."""
    dana.goto(f"{ACME}/requests/new")
    dana.get_by_label("Something else").fill(target)
    expect(dana.locator("#will")).to_contain_text("Nothing is sent until another person approves")
    dana.get_by_role("button", name="Send request").click()
    dana.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(dana.locator("h1")).to_have_text(WAITING)
    return str(dana.url).partition("#")[0]


def held_for(portal: Stack, target: str) -> list[object]:
    state = control(portal, "northgate", "/state")["mitigations"]
    return [one for one in state if target in str(one) and one["status"] < 5]


def end(page: Page) -> None:
    page.locator("#terminate > summary").click()
    page.get_by_role("button", name="Terminate now").click()
    ended = page.locator(".crumb [data-status=terminated]")
    expect(ended).to_be_visible()


def test_a_request_waits_unsent_until_a_second_person_approves_it_with_a_code(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    alice, dana = page_of("alice"), page_of("dana")
    look(alice)
    url = ask(dana, "203.0.113.65")
    look(dana)
    dana.get_by_role("link", name="Open approval").click()
    expect(dana.locator("main")).to_contain_text("Another person must approve")
    look(dana)
    assert held_for(portal, "203.0.113.65") == []
    let_the_factor_age(portal, "alice")

    alice.goto(f"{ACME}/approvals")
    expect(alice.locator("h1")).to_have_text("1 request waits for approval.")
    look(alice)
    alice.get_by_role("link", name="Decide").click()
    expect(alice.locator("#sent-h")).to_have_text("What would be sent")
    look(alice)
    alice.get_by_role("button", name="Approve", exact=True).click()
    look(alice, "Confirm with a code")
    status = alice.locator(".crumb [data-status=mitigating]")
    alice.go_back()
    press(alice, "Approve", portal.secrets.totp_secrets["alice"], done=status)

    expect(alice.locator("main")).to_contain_text("alice approved it")
    assert len(held_for(portal, "203.0.113.65")) == 1
    dana.goto(url)
    expect(dana.locator(".crumb [data-status=mitigating]")).to_be_visible()
    end(dana)


def test_a_declined_request_shows_the_reason_and_is_not_sent(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    alice, dana = page_of("alice"), page_of("dana")
    url = ask(dana, "203.0.113.66")

    alice.goto(f"{url}/approval")
    alice.get_by_text("Decline…").click()
    look(alice)
    alice.get_by_label("Reason").first.fill("The load test of the shop runs until 04:00")
    declined = alice.get_by_role("heading", name=re.compile("declined"))
    secret = portal.secrets.totp_secrets["alice"]
    press(alice, "Decline request", secret, done=declined)

    look(alice)
    dana.goto(url)
    expect(dana.locator("h1")).to_contain_text("alice declined")
    expect(dana.locator("main")).to_contain_text("The load test of the shop runs until 04:00")
    dana.goto(f"{url}/approval")
    look(dana)
    assert held_for(portal, "203.0.113.66") == []


def test_breaking_the_glass_needs_a_reason_and_sends_at_once(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    dana, secret = page_of("dana"), portal.secrets.totp_secrets["dana"]
    url = ask(dana, "203.0.113.67")
    dana.goto(f"{url}/approval")
    dana.get_by_text("Break glass…").click()
    form = dana.locator("#break-glass")
    form.get_by_label("Reason").fill("Now")
    press(dana, "Send without approval", secret, done=dana.locator("#break-glass-e"))
    look(dana)

    form.get_by_label("Reason").fill("Alice and Bob do not answer the phone")
    status = dana.locator(".crumb [data-status=mitigating]")
    press(dana, "Send without approval", secret, done=status)

    expect(dana.locator("main")).to_contain_text("Sent without approval by dana")
    look(dana)
    end(dana)


def test_a_request_that_no_one_approves_in_time_expires_unsent(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    dana = page_of("dana")
    url = ask(dana, "203.0.113.68")
    over = (datetime.now(UTC) - timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S.%f")
    database = portal.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(database, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        connection.execute(
            "UPDATE mitigations_requestapproval SET expires_at = ? WHERE outcome = 'waiting'",
            [over],
        )

    expect(dana.locator(".crumb [data-status=expired]")).to_be_visible()
    expect(dana.locator("main")).to_contain_text("No one approved it in time.")
    dana.get_by_role("button", name="Acknowledge").click()
    expect(dana.get_by_role("button", name="Acknowledge")).to_have_count(0)
    dana.goto(f"{url}/approval")
    expect(dana.locator("#sent-h")).to_have_text("What the decision was about")
    look(dana)
    assert held_for(portal, "203.0.113.68") == []
