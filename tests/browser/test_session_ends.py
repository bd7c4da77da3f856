"""What a browser shows when its session ends elsewhere, and when an act needs a new sign-in."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.conftest import sign_in, unused_code
from tests.browser.steps import let_the_factor_age
from tests.browser.test_people import look

FORM = "/organizations/acme/requests/new"
PREFIX = "203.0.113.141/32"

pytestmark = pytest.mark.timeout(420)


@pytest.fixture
def two(portal: Stack, context_of: Callable[..., BrowserContext]) -> tuple[Page, Page]:
    """Two browsers of dana."""
    pages = context_of().new_page(), context_of().new_page()
    for page in pages:
        sign_in(page, portal, "dana")
    return pages


def end_the_others(page: Page) -> None:
    page.goto("/me/sessions")
    page.get_by_role("button", name="Sign out everywhere else").click()
    expect(page.locator("main")).to_contain_text("ended.")


def test_a_page_whose_session_ended_elsewhere_shows_nothing_and_keeps_what_was_typed(
    portal: Stack, two: tuple[Page, Page]
) -> None:
    page, other = two
    page.goto(FORM)
    page.get_by_label("Something else").fill(PREFIX)

    end_the_others(other)

    page.wait_for_url(re.compile("/sign-in"))
    expect(page.locator("body")).to_contain_text("you ended this session from another browser")
    expect(page.locator("body")).to_contain_text("what you typed is saved")
    expect(page.locator("body")).not_to_contain_text("Acme")
    look(page)
    page.fill("[name=username]", "dana")
    page.fill("[name=password]", portal.secrets.passwords["dana"])
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/sign-in/code*")
    code = unused_code(portal.secrets.totp_secrets["dana"])
    page.fill("[autocomplete=one-time-code]", code)
    page.wait_for_url(f"**{FORM}")
    expect(page.get_by_label("Something else")).to_have_value(PREFIX)


def test_a_page_without_a_socket_leaves_when_it_is_seen_again(two: tuple[Page, Page]) -> None:
    page, other = two
    page.goto("/me/profile")
    page.wait_for_timeout(10_500)

    end_the_others(other)
    page.evaluate("dispatchEvent(new Event('focus'))")

    page.wait_for_url(re.compile("/sign-in"))
    expect(page.locator("body")).not_to_contain_text("Time zone")


def test_a_new_factor_needs_the_password_again(
    portal: Stack, context_of: Callable[..., BrowserContext]
) -> None:
    page = context_of().new_page()
    sign_in(page, portal, "bob")
    let_the_factor_age(portal, "bob")

    page.goto("/me/second-factor/add-app")

    expect(page.locator("h1")).to_have_text("Confirm with your password")
    look(page)
    page.get_by_label("Password").fill(portal.secrets.passwords["bob"])
    page.get_by_label("Code from your authenticator app").fill(
        unused_code(portal.secrets.totp_secrets["bob"])
    )
    expect(page.locator("h1")).to_contain_text("app")
    expect(page.get_by_label("6-digit code")).to_be_visible()
