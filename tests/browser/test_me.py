"""The pages about the person who is signed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.conftest import sign_in, unused_code
from tests.browser.steps import opens, press
from tests.browser.test_people import PASSWORD, link_to, look

NEW = "another staple altogether"
PRAGUE = "Europe/Prague"


def test_a_person_opens_me_from_the_menu_and_changes_the_profile(
    page_of: Callable[..., Page],
) -> None:
    dana = page_of("dana")
    dana.goto("/organizations/acme/")
    opens(dana.get_by_role("navigation", name="Main").get_by_role("link", name="Me"))
    look(dana)
    dana.get_by_label("Your name").fill("Dana Dvořák")
    dana.get_by_role("button", name="Save").click()
    expect(dana.locator("main")).to_contain_text("Your profile is saved.")
    expect(dana.get_by_label("Your name")).to_have_value("Dana Dvořák")
    look(dana)


@pytest.mark.timeout(420)
def test_a_person_changes_password_address_and_factors(
    portal: Stack, context_of: Callable[..., BrowserContext]
) -> None:
    page = context_of().new_page()
    sign_in(page, portal, "bob")
    page.goto("/me/profile")
    look(page)
    page.get_by_label("New address").fill("bob@new.example")
    page.get_by_role("button", name="Send the link").click()
    expect(page.locator("main")).to_contain_text("A mail to bob@new.example is on its way.")
    page.goto(link_to(page, portal, "bob@new.example", "/me/email/"))
    look(page)
    page.get_by_role("button", name="Use this address").click()
    expect(page.locator("main")).to_contain_text("Your address is now bob@new.example.")

    opens(page.get_by_role("link", name="Second factor"))
    look(page)
    opens(page.get_by_role("link", name="Add an authenticator app"))
    look(page)
    key = (page.locator(".key").text_content() or "").replace(" ", "")
    page.get_by_label("Name").fill("Tablet")
    page.get_by_label("6-digit code").fill(unused_code(key))
    expect(page.locator("main")).to_contain_text("Tablet is a second factor of yours now.")
    look(page)
    page.get_by_role("button", name="Make new recovery codes").click()
    expect(page.locator("h1")).to_have_text("New recovery codes")
    look(page)

    page.get_by_role("link", name="I have saved them").click()
    opens(page.get_by_role("link", name="Password"))
    look(page)
    page.get_by_label("Present password").fill(portal.secrets.passwords["bob"])
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("main")).to_contain_text("Your password is changed.")

    page.get_by_role("button", name="Sign out").click()
    opens(page.get_by_role("link", name="Forgotten password?"))
    look(page)
    page.get_by_label("Your name or email address").fill("bob")
    page.get_by_role("button", name="Send the link").click()
    expect(page.locator("main")).to_contain_text("a mail is on its way")
    page.goto(link_to(page, portal, "bob@new.example", "/new-password/"))
    look(page)
    page.get_by_label("New password").fill(portal.secrets.passwords["bob"])
    page.get_by_role("button", name="Save the password").click()
    expect(page.locator("main")).to_contain_text("Your password is changed.")
    look(page)


@pytest.mark.timeout(420)
def test_a_person_ends_a_session_and_its_open_page_says_so(
    portal: Stack, context_of: Callable[..., BrowserContext]
) -> None:
    there, here = context_of().new_page(), context_of().new_page()
    for page in (there, here):
        sign_in(page, portal, "charlie")
    there.goto("/organizations/globex/")
    expect(there.locator("#live")).to_contain_text("Live")
    here.goto("/me/sessions")
    look(here)
    expect(here.locator("main")).to_contain_text("Chrome on Linux")

    here.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.locator("main")).to_contain_text("ended.")
    expect(here.locator("h1")).to_have_text("1 session.")
    there.wait_for_url(re.compile("/sign-in"))
    expect(there.locator("body")).to_contain_text("you ended this session from another browser")
    look(here)


@pytest.mark.timeout(420)
def test_pages_follow_the_time_zone_of_their_person(page_of: Callable[..., Page]) -> None:
    page = page_of("dana", timezone_id="America/New_York")
    page.goto("/me/profile")
    look(page)
    try:
        choose_zone(page, PRAGUE)
        there = datetime.now(ZoneInfo(PRAGUE))
        page.goto("/organizations/acme/")
        expect(page.locator(".foot")).to_contain_text(f"Times are {PRAGUE}")
        live = page.locator("#live")
        expect(live).to_contain_text(re.compile(rf"Live \d\d:\d\d:\d\d {there:%Z}"))
        hours = {f"{there + timedelta(minutes=late):%H}:" for late in (0, 5)}
        assert any(hour in (live.text_content() or "") for hour in hours)
        page.goto("/me/sessions")
        expect(page.locator("main")).to_contain_text(f" {there:%Z} from 127.0.0.1.")
        look(page)
    finally:
        choose_zone(page, "")


def choose_zone(page: Page, zone: str) -> None:
    page.goto("/me/profile")
    page.get_by_label("Time zone").select_option(zone)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Your profile is saved.")


@pytest.mark.timeout(420)
def test_a_person_adds_a_passkey_and_signs_in_with_it_alone(
    portal: Stack, context_of: Callable[..., BrowserContext]
) -> None:
    # An IP address cannot have passkeys.
    there = portal.url.replace("127.0.0.1", "localhost")
    page = context_of().new_page()
    with_virtual_authenticator(page)
    page.goto(f"{there}/sign-in")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill(portal.secrets.passwords["alice"])
    page.get_by_role("button", name="Continue").click()
    page.fill("[autocomplete=one-time-code]", unused_code(portal.secrets.totp_secrets["alice"]))
    expect(page.locator(".foot")).to_contain_text("alice")
    page.goto(f"{there}/me/second-factor")
    opens(page.get_by_role("link", name="Add a passkey"))
    look(page)
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.locator("main")).to_contain_text("Laptop is a second factor of yours now.")
    look(page)
    page.get_by_role("button", name="Sign out").click()

    opens(page.get_by_role("link", name="Sign in with a passkey"))
    look(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator(".foot")).to_contain_text("alice")
    page.get_by_role("button", name="Sign out").click()

    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password", exact=True).fill(portal.secrets.passwords["alice"])
    opens(page.get_by_role("button", name="Continue"))
    look(page)
    page.get_by_role("button", name="Use a passkey instead").click()
    expect(page.locator(".foot")).to_contain_text("alice")


@pytest.mark.timeout(420)
def test_a_new_person_sets_up_a_passkey_as_the_second_factor(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    alice, email = page_of("alice"), "pia@acme.example"
    alice.goto("/organizations/acme/settings/members")
    alice.get_by_label("Email address").fill(email)
    sent = alice.get_by_text(f"A mail to {email} is on its way.")
    press(alice, "Send invitation", portal.secrets.totp_secrets["alice"], done=sent)
    link = link_to(alice, portal, email)

    there = portal.url.replace("127.0.0.1", "localhost")
    page = context_of().new_page()
    with_virtual_authenticator(page)
    page.goto(f"{there}{link}")
    page.get_by_label("Your name for signing in").fill("pia")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    opens(page.get_by_role("button", name="Continue"))
    look(page)
    page.get_by_role("button", name="Make a passkey").click()
    expect(page.locator("h1")).to_contain_text("recovery codes")
    look(page)
    page.goto(f"{there}/me/second-factor")
    expect(page.locator("main")).to_contain_text("Your only second factor cannot be removed.")
    look(page)
    page.get_by_role("button", name="Sign out").click()

    page.get_by_label("Name").fill("pia")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("h1")).to_have_text("Use your passkey")
    look(page)
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.locator(".foot")).to_contain_text("pia")


def with_virtual_authenticator(page: Page) -> None:
    """A device with a PIN, a finger or a face, which answers at once."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})
