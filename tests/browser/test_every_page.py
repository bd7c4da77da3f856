"""Every page in a real browser: it fits 320 CSS px, and its scripted helpers work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.conftest import unused_code
from tests.browser.steps import reload_until, violations
from tests.integration.stack import control

PageOf = Callable[..., Page]
ACME = "/organizations/acme"
PREFIX = "203.0.113.132/30"
NARROW = {"width": 320, "height": 640}
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const isOut = (one) => one.getBoundingClientRect().right > width + 0.5 && !one.closest(".vh, .skip, .tablewrap");
  return [...document.querySelectorAll("body *")].filter(isOut).map((one) => `${one.tagName}.${one.className}`);
}"""
UNFOLD = "() => document.querySelectorAll('main details').forEach((one) => (one.open = true))"


@pytest.fixture
def live(portal: Stack, page_of: PageOf) -> Iterator[str]:
    """The path of a request that Northgate filters for; it is terminated afterwards."""
    for provider in ("northgate", "tidewall"):
        behaviour = {"accept": "always", "status_delay_s": 1, "attack_ends_after_s": None}
        control(portal, provider, "/behaviour", behaviour)
    dana = page_of("dana")
    dana.goto(f"{ACME}/requests/new")
    dana.get_by_label("Something else").fill(PREFIX)
    dana.get_by_role("button", name="Send request").click()
    dana.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    status = dana.locator(".crumb [data-status]")
    expect(status).to_have_attribute("data-status", "mitigating")
    path = dana.url.removeprefix(portal.url).partition("#")[0]
    yield path
    dana.goto(f"{path}/terminate")
    dana.get_by_role("button", name="Terminate now").click()
    # The provider winds down first.
    expect(status).to_have_attribute("data-status", "terminated")


@pytest.mark.timeout(300)
def test_every_page_fits_320_px_and_is_accessible(
    portal: Stack, page_of: PageOf, live: str
) -> None:
    page = page_of("dana", viewport=NARROW, timezone_id="Asia/Kolkata")
    page.goto(f"{ACME}/standby")
    plan = page.locator(f"main a[href^='{ACME}/standby/']:not([href$=new])").first
    held = plan.get_attribute("href") if plan.count() else None
    paths = [
        f"{ACME}/",
        f"{ACME}/requests",
        *(f"{ACME}/settings/{part}" for part in ("resources", "providers", "policy", "members")),
        f"{ACME}/approvals",
        f"{ACME}/requests/new",
        live,
        *(f"{live}/{part}" for part in ("terminate", "report", "wire", "extend/preview")),
        f"{ACME}/standby",
        f"{ACME}/standby/new",
        *([held, f"{held}/edit", f"{held}/activate"] if held else []),
        f"{ACME}/readiness",
        f"{ACME}/readiness/drills",
        f"{ACME}/scorecard?from=2026-01&to=2026-03",
        f"{ACME}/no-such-page",
        "/api/v1/docs/",
        "/me/notices",
        "/me/sessions",
        "/me/tokens",
    ]
    for path in paths:
        page.goto(path)
        is_accessible_and_fits(page)


def is_accessible_and_fits(page: Page) -> None:
    assert page.evaluate(TOO_WIDE) == [], page.url
    assert violations(page) == [], page.url
    # Collapsed content has to fit too.
    page.evaluate(UNFOLD)
    assert page.evaluate(TOO_WIDE) == [], f"{page.url}, unfolded"


def test_enter_moves_to_the_button_and_submits_only_from_it(portal: Stack, page_of: PageOf) -> None:
    page = page_of("dana")
    page.goto(f"{ACME}/requests/new")

    page.get_by_label("Customer API").press("Enter")
    page.get_by_label("Something else").fill("203.0.113.300")
    page.get_by_label("Something else").press("Enter")

    expect(page.locator("#send")).to_be_focused()
    # The check of the typed values renders the button again; the focus stays on it.
    expect(page.locator("#other-e")).to_contain_text("300 is more than 255")
    expect(page.locator("#send")).to_be_focused()
    assert page.url.endswith("/requests/new")
    page.keyboard.press("Enter")
    expect(page.locator("#sum-h")).to_contain_text("Nothing was sent.")


def test_bytes_are_copied_and_local_time_is_shown_beside_utc(
    portal: Stack, page_of: PageOf, live: str
) -> None:
    copies_the_bytes_of_a_message(page_of("dana"), live)
    # Kiritimati is 14 hours ahead: for most of the day it is another day there.
    shows_own_time(page_of("dana", timezone_id="Pacific/Kiritimati"), live)
    here = page_of("dana", timezone_id="UTC")
    here.goto(live)
    expect(here.locator("ol.time time").first).to_be_visible()
    expect(here.locator(".local")).to_have_count(0)
    expect(here.locator("[data-zone]")).to_be_empty()


def copies_the_bytes_of_a_message(page: Page, live: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{live}/wire")

    message = page.locator("[data-copied-from]").last
    reload_until(message)  # the journal is written in the background
    # Reports that say the same are folded into one line.
    page.evaluate(UNFOLD)
    message.locator("[data-copies]").click()

    expect(page.locator("#announce")).to_have_text("Copied.")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == message.locator("pre").text_content()


def shows_own_time(far: Page, live: str) -> None:
    far.goto(live)
    time = far.locator("ol.time time").first
    at = time.get_attribute("datetime")
    expected = far.evaluate(
        """(at) => {
          const ahead = new Date(Date.parse(at) + 14 * 3600 * 1000);
          const clock = ahead.toISOString().slice(11, 16);
          const months = "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec".split(" ");
          const isSame = ahead.getUTCDate() === new Date(at).getUTCDate();
          return isSame ? clock : `${ahead.getUTCDate()}\\u00a0${months[ahead.getUTCMonth()]}, ${clock}`;
        }""",
        at,
    )

    expect(far.locator("ol.time .local").first).to_contain_text(f"({expected})")
    expect(far.locator("[data-zone]")).to_contain_text("Pacific/Kiritimati")
    assert "GMT+14" in str(time.get_attribute("title"))


def test_a_filled_form_survives_the_end_of_the_session(portal: Stack, page_of: PageOf) -> None:
    page = page_of("dana")
    page.goto(f"{ACME}/requests/new")
    page.get_by_label("Something else").fill("203.0.113.139")
    page.locator("#options > summary").click()
    page.get_by_label("Reason").fill("UDP flood since 02:00")
    page.context.clear_cookies()
    page.get_by_role("button", name="Send request").click()

    expect(page.locator("main")).to_contain_text("Sign in; what you typed is saved.")
    page.fill("[name=username]", "dana")
    page.fill("[name=password]", portal.secrets.passwords["dana"])
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/sign-in/code*")
    page.fill("[autocomplete=one-time-code]", unused_code(portal.secrets.totp_secrets["dana"]))

    page.wait_for_url(f"**{ACME}/requests/new")
    expect(page.locator("main")).to_contain_text("nothing was sent.")
    expect(page.get_by_label("Something else")).to_have_value("203.0.113.139")
    expect(page.locator("#reason")).to_have_value("UDP flood since 02:00")
    page.goto(f"{ACME}/requests?find=203.0.113.139")
    expect(page.locator("main")).to_contain_text("Nothing matches.")
