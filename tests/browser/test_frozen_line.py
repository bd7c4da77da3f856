"""A page that cannot update, because its connection froze or broke, says so: old values must not
look live.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error, Page, Route, expect

from local_stack.stack import Stack
from tests.browser.steps import violations
from tests.integration.network import TcpProxy, proxied
from tests.integration.stack import control

PageOf = Callable[..., Page]
WITHIN_MS = 20_000
"""12 s of silence, plus time for a busy machine."""
SLOW_S = 1.5
"""A page waits 9 times as long between two requests for its parts, at most 6 s."""
CLOCK = r"\d\d:\d\d:\d\d"

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("calm")]


@pytest.fixture
def line(portal: Stack) -> Iterator[TcpProxy]:
    """The connection from the browser to the portal. It can fall silent without closing."""
    with proxied(portal.web_port) as proxy:
        yield proxy


@pytest.fixture
def ask(portal: Stack) -> Iterator[Callable[[Page], str]]:
    """The URL of a mitigated request, which ends afterwards without the frozen connection."""
    asked: list[Page] = []

    def ask(page: Page) -> str:
        page.goto(f"{portal.url}/organizations/acme/requests/new")
        page.get_by_label("Something else").fill("203.0.113.133")
        page.get_by_role("button", name="Send request").last.click()
        page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
        expect(page.locator(".crumb [data-status]")).to_have_attribute("data-status", "mitigating")
        asked.append(page)
        return page.url.partition("#")[0]

    yield ask
    for page in asked:
        page.get_by_text("Terminate…").first.click()
        page.get_by_role("button", name="Terminate now").click()
        expect(page.locator(".crumb [data-status]")).to_have_attribute("data-status", "terminated")


def through(line: TcpProxy, portal: Stack, url: str) -> str:
    return url.replace(f":{portal.web_port}/", f":{line.port}/")


def indicator(page: Page) -> Any:
    return page.locator("#live")


def assert_live(page: Page) -> None:
    expect(indicator(page)).to_contain_text(re.compile(rf"Live {CLOCK}"))
    expect(indicator(page)).not_to_have_class(re.compile("live--off"))


def assert_lost(page: Page) -> None:
    """Nothing on the page claims to be live, and the page offers a way out."""
    banner = page.locator("#banner")
    expect(indicator(page)).to_contain_text(re.compile(rf"Reconnecting {CLOCK}"))
    expect(indicator(page)).to_have_class(re.compile("live--off"))
    expect(banner).to_contain_text("The page shows the state at that time.")
    expect(banner.get_by_role("button", name="Try now")).to_be_visible()
    expect(page).to_have_title(re.compile("^Not live – "))
    for chip in page.locator("[data-part] .chip").all():
        if chip.get_attribute("data-status") not in ("terminated", "expired", "declined"):
            expect(chip).to_have_class(re.compile("chip--old"))
    assert not re.search(r"\d\s(s|min|h|days?) ago", page.locator("main").inner_text())
    for end in page.locator("[data-ends]").all():
        expect(end).not_to_contain_text(", in ")


def try_now(page: Page) -> None:
    """Press the button, unless the page has just connected again, which removes it."""
    page.evaluate("document.querySelector('[data-try]')?.click()")


def assert_back(page: Page) -> None:
    expect(page.locator("#banner")).to_contain_text("Back.")
    assert_live(page)
    expect(page.locator("main .asof--lost")).to_have_count(0)
    expect(page).not_to_have_title(re.compile("Not live"))


def test_a_frozen_connection_is_lost_until_it_forwards_again(
    portal: Stack, page_of: PageOf, ask: Callable[[Page], str], line: TcpProxy
) -> None:
    alice, watching = page_of("alice"), page_of("alice")
    url = ask(alice)
    watching.goto(through(line, portal, url))
    assert_live(watching)
    expect(watching.locator(".provider-card").first).to_contain_text("Last heard")

    line.cut()
    began = time.monotonic()
    assert_lost(watching)
    assert time.monotonic() - began < WITHIN_MS / 1000
    expect(watching.locator("#banner")).to_contain_text(
        re.compile(rf"No connection since {CLOCK}\.")
    )
    expect(watching.locator(".crumb .chip")).to_contain_text(re.compile(rf"as of {CLOCK}"))
    assert violations(watching) == []

    # The page shows the changes made in the meantime before it calls itself live.
    (there,) = [
        one
        for one in control(portal, "northgate", "/state")["mitigations"]
        if one["scope"]["target-prefix"] == ["203.0.113.133/32"] and one["status"] < 5
    ]
    control(
        portal, "northgate", f"/mitigations/{there['cuid']}/{there['mid']}/status", {"status": 3}
    )
    expect(alice.locator(".crumb [data-status]")).to_have_attribute("data-status", "attack_stopped")
    expect(watching.locator(".crumb [data-status]")).to_have_attribute("data-status", "mitigating")
    line.restore()
    try_now(watching)
    assert_back(watching)
    expect(watching.locator(".crumb [data-status]")).to_have_attribute(
        "data-status", "attack_stopped"
    )


def test_a_connection_that_freezes_early_is_lost_on_every_page(
    portal: Stack, page_of: PageOf, line: TcpProxy
) -> None:
    pages = []
    for path in ("", "readiness", "standby", "requests", "requests/new"):
        page = page_of("alice")
        page.goto(through(line, portal, f"{portal.url}/organizations/acme/{path}"))
        pages.append(page)
    # Pages that do not update show when they were loaded, and never claim to be live.
    for page in pages[:3]:
        assert_live(page)
    for page in pages[3:]:
        expect(indicator(page)).to_contain_text("Shown as of")

    line.cut()
    for page in pages:
        assert_lost(page)
    line.restore()
    for page in pages:
        try_now(page)
    for page in pages[:3]:
        assert_back(page)
    for page in pages[3:]:
        expect(page.locator("#banner")).to_contain_text("Back.")
        expect(indicator(page)).to_contain_text("Shown as of")


def test_a_browser_that_goes_offline_says_so_and_comes_back(portal: Stack, page_of: PageOf) -> None:
    alice = page_of("alice")
    alice.goto("/organizations/acme/")
    assert_live(alice)

    # An open socket survives this in Chromium, so the event alone must be enough.
    alice.context.set_offline(True)
    assert_lost(alice)
    alice.context.set_offline(False)
    assert_back(alice)


@pytest.mark.parametrize("failure", ["aborted", "503", "silent", "silent after a slow answer"])
def test_a_page_that_cannot_update_is_not_live_even_if_its_socket_is(
    portal: Stack, page_of: PageOf, ask: Callable[[Page], str], failure: str
) -> None:
    alice, watching = page_of("alice"), page_of("alice")
    url = ask(alice)
    watching.goto(url)
    assert_live(watching)
    kept: list[Route] = []

    def fail(route: Route) -> None:
        if failure == "aborted":
            route.abort()
        elif failure == "503":
            route.fulfill(status=503, body="away")
        else:
            kept.append(route)

    if failure == "silent after a slow answer":
        answer_slowly(watching)
    watching.route("**/*parts=*", fail)
    alice.get_by_role("button", name="Still under attack").click()

    assert_lost(watching)
    expect(watching.locator("#banner")).to_contain_text("Not updated since")
    watching.unroute("**/*parts=*")
    for route in kept:
        with suppress(Error):  # the page gave up on it
            route.abort()
    assert_back(watching)
    expect(watching.locator("ol.time")).to_contain_text("still under attack")


def answer_slowly(page: Page) -> None:
    """After it the page waits for the longest time before it requests its parts again."""

    def delay(route: Route) -> None:
        time.sleep(SLOW_S)
        route.continue_()

    page.route("**/*parts=*", delay)
    with page.expect_response("**/*parts=*"):
        page.evaluate(
            """document.dispatchEvent(
                new CustomEvent("portal:refresh", { detail: { kind: "portal:state" } })
            )"""
        )
    page.unroute("**/*parts=*")
    assert_live(page)


def test_a_page_is_not_live_right_after_sleep(portal: Stack, page_of: PageOf) -> None:
    # On some systems sleep stops the monotonic clock: only the wall clock shows how long it lasted.
    alice = page_of("alice")
    alice.add_init_script("""
        const real = Date.now;
        window.slept = 0;
        Date.now = () => real() + window.slept;
    """)
    alice.goto("/organizations/acme/")
    assert_live(alice)
    alice.evaluate(
        "document.addEventListener('portal:stale', (event) => { window.told ??= event.detail; })"
    )
    alice.evaluate("window.slept = 3600 * 1000")

    alice.wait_for_function("() => window.told?.isStale")
    assert_back(alice)


def test_setting_the_clock_back_loses_nothing(portal: Stack, page_of: PageOf) -> None:
    alice = page_of("alice")
    alice.add_init_script("""
        const real = Date.now;
        window.setBack = 0;
        Date.now = () => real() - window.setBack;
    """)
    alice.goto("/organizations/acme/")
    assert_live(alice)
    alice.evaluate("window.setBack = 3600 * 1000")

    # It keeps receiving frames for longer than the silence after which it gives up.
    heard = "() => Date.parse(document.querySelector('#live time').dateTime)"
    first = alice.evaluate(heard)
    alice.wait_for_function(f"(first) => ({heard})() > first + 13000", arg=first)
    assert_live(alice)
    expect(alice.locator("#banner")).to_be_hidden()


def test_a_socket_that_never_opens_is_abandoned_and_retried(
    portal: Stack, page_of: PageOf, line: TcpProxy
) -> None:
    alice = page_of("alice")
    alice.goto(through(line, portal, f"{portal.url}/organizations/acme/"))
    assert_live(alice)
    line.cut()
    assert_lost(alice)
    # Attempts hang too. The page gives up each one after the same silence and tries again.
    for _ in range(2):
        alice.wait_for_event("websocket")
    line.restore()
    assert_back(alice)


@pytest.mark.parametrize(
    ("at", "now", "words"),
    [
        ("2026-10-06T03:12:14Z", "2026-10-06T23:59:59Z", "03:12:14"),
        ("2026-10-06T23:59:59Z", "2026-10-07T00:00:00Z", "23:59:59 yesterday"),
        ("2026-10-07T00:00:00Z", "2026-10-06T23:59:59Z", "00:00:00 tomorrow"),
        ("2026-10-02T14:02:11Z", "2026-10-06T03:12:14Z", "2 October, 14:02:11"),
        ("2025-12-31T14:02:11Z", "2026-10-06T03:12:14Z", "31 December 2025, 14:02:11"),
    ],
)
def test_times_written_by_scripts_include_the_day(
    page_of: PageOf, at: str, now: str, words: str
) -> None:
    page = page_of("bob")
    page.evaluate(
        """([at, now]) => {
            for (const part of document.querySelectorAll("[data-now]")) part.dataset.now = now;
            document.body.insertAdjacentHTML("beforeend", `<time id="told" data-form="moment" datetime="${at}"></time>`);
            document.dispatchEvent(new CustomEvent("htmx:oobAfterSwap"));
            document.dispatchEvent(new CustomEvent("portal:times"));
        }""",
        [at, now],
    )

    assert page.locator("#told").inner_text().replace("\u00a0", " ") == words
