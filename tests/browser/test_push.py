"""Notices in the browser: adding it, a push of the portal, and the page that it opens."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser import test_every_page
from tests.browser.conftest import WITHIN_MS
from tests.browser.test_people import look
from tests.portal.notifications.channels.http_receiver import HttpReceiver, running
from tests.portal.notifications.channels.push_browser import Browser

PAGE = "/me/notices"
ADD = "Get notices in this browser"
STOP = "Stop in this browser"
WORKER = "/static/js/push_worker.js"
PUSH_SERVICE = """(subscription) => {
  // Headless Chromium has none. Like its own, the subscription outlives the page.
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
  const own = () => {
    const key = localStorage.getItem("push");
    return key && {
      endpoint: subscription.endpoint,
      options: { applicationServerKey: bytes(key).buffer },
      toJSON: () => subscription,
      unsubscribe: async () => localStorage.removeItem("push") ?? true,
    };
  };
  PushManager.prototype.getSubscription = async () => own();
  PushManager.prototype.subscribe = async ({ applicationServerKey }) => {
    localStorage.setItem("push", applicationServerKey);
    return own();
  };
}"""
SHOWN = """async (worker) => {
  const registration = await navigator.serviceWorker.getRegistration(worker);
  const shown = await registration.getNotifications();
  return shown.map(({ title, body, tag, data }) => ({ title, body, tag, page: data.page }));
}"""
CLICKED = """async () => {
  const opened = [];
  self.clients.openWindow = async (page) => opened.push(page);
  const [notification] = await self.registration.getNotifications();
  const click = new NotificationEvent("notificationclick", { notification });
  self.dispatchEvent(click);
  while (!opened.length) await new Promise((resolve) => setTimeout(resolve, 20));
  return opened;
}"""
POLL_MS = 50
REDELIVERY_MS = 15_000
"""Chromium stops a worker that was idle for 30 s, and a push at that moment may be lost. A push service
delivers again what a browser did not take.
"""

live = test_every_page.live
pytestmark = pytest.mark.timeout(300)


def with_push_service(context: BrowserContext, portal: Stack, browser: Browser) -> None:
    context.grant_permissions(["notifications"], origin=portal.url)
    subscription = {"endpoint": browser.endpoint, "keys": browser.body["keys"]}
    context.add_init_script(f"({PUSH_SERVICE})({json.dumps(subscription)})")


def pushed(page: Page, portal: Stack, message: dict[str, Any] | str) -> list[dict[str, str]]:
    """What the browser shows after the push service delivered this."""
    cdp = page.context.new_cdp_session(page)
    found: list[str] = []
    cdp.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: found.extend(one["registrationId"] for one in event["registrations"]),
    )
    cdp.send("ServiceWorker.enable")
    before = page.evaluate(SHOWN, WORKER)
    data = message if isinstance(message, str) else json.dumps(message)
    for waited_ms in range(0, WITHIN_MS, POLL_MS):
        if waited_ms % REDELIVERY_MS == 0:
            cdp.send(
                "ServiceWorker.deliverPushMessage",
                {"origin": portal.url, "registrationId": found[-1], "data": data},
            )
        shown: list[dict[str, str]] = page.evaluate(SHOWN, WORKER)
        if shown != before:
            return shown
        page.wait_for_timeout(POLL_MS)
    raise AssertionError(f"nothing is shown but {before}")


def next_push(receiver: HttpReceiver) -> None:
    began = time.monotonic()
    while not receiver.got:
        assert time.monotonic() - began < WITHIN_MS / 1000, "the portal sent nothing"
        time.sleep(0.1)


def test_a_notice_reaches_the_browser_and_opens_its_request(
    portal: Stack, page_of: Callable[..., Page], live: str
) -> None:
    page, alice = page_of("dana"), page_of("alice")
    with running() as receiver:
        browser = Browser(f"{receiver.url}/push/abc")
        with_push_service(page.context, portal, browser)
        page.goto(PAGE)
        look(page)
        page.get_by_role("button", name=ADD).click()
        expect(page.get_by_text("Chrome on Linux gets your notices.")).to_be_visible()
        expect(page.get_by_role("button", name=STOP)).to_be_visible()
        expect(page.get_by_role("button", name=ADD)).to_be_hidden()
        look(page)

        alice.goto(live)
        alice.get_by_label("Write a note").fill("Watch port 443, @dana.")
        alice.get_by_role("button", name="Save note").click()
        next_push(receiver)
        message = browser.read(receiver.got[0])
        [shown] = pushed(page, portal, message)

        assert shown["title"].startswith("alice mentions you in a note on request ")
        assert "Time: " in shown["body"]
        assert not re.search(r"443|203\.0\.113", json.dumps(message))
        assert shown["page"] == f"{portal.url}{live}"
        [worker] = page.context.service_workers
        assert worker.evaluate(CLICKED) == [shown["page"]]
        page.reload()
        expect(page.get_by_text("Last notice")).to_be_visible()

        page.get_by_role("button", name=STOP).click()
        expect(page.get_by_text("Chrome on Linux gets no more notices.")).to_be_visible()
        expect(page.get_by_role("button", name=ADD)).to_be_visible()
        assert page.evaluate("() => localStorage.getItem('push')") is None


def test_the_worker_shows_something_for_each_push_and_opens_no_other_site(
    portal: Stack, page_of: Callable[..., Page]
) -> None:
    page = page_of("dana")
    page.context.grant_permissions(["notifications"], origin=portal.url)
    page.goto(PAGE)
    page.evaluate("(worker) => navigator.serviceWorker.register(worker)", WORKER)
    shown = pushed(page, portal, "no JSON")
    assert [one["page"] for one in shown] == [f"{portal.url}/"]
    assert "notice" in shown[0]["title"]

    for at, (navigate, opens) in enumerate(
        {
            "https://evil.example/organizations/acme?x=1": "/organizations/acme?x=1",
            "//evil.example/": "/",
            "https://evil.example//evil.example/x": "//evil.example/x",
            "javascript:alert(1)": "/alert(1)",
            "data:text/html,x": "/text/html,x",
            "/me/notices": "/me/notices",
        }.items()
    ):
        told = {"title": f"Notice {at}", "navigate": navigate, "tag": "one"}
        shown = pushed(page, portal, {"web_push": 8030, "notification": told})
        [notice] = [one for one in shown if one["tag"] == "one"]
        assert (notice["title"], notice["page"]) == (f"Notice {at}", f"{portal.url}{opens}")


def test_a_page_in_a_browser_that_refuses_says_how_to_allow_notices(
    page_of: Callable[..., Page],
) -> None:
    page = page_of("dana")
    page.add_init_script(
        "Object.defineProperty(Notification, 'permission', { get: () => 'denied' })"
    )
    page.goto(PAGE)

    expect(page.get_by_text("This browser refuses notices of the portal.")).to_be_visible()
    expect(page.get_by_role("button", name=ADD)).to_be_hidden()
    look(page)


def test_without_javascript_the_page_says_what_it_needs(page_of: Callable[..., Page]) -> None:
    page = page_of("dana", java_script_enabled=False)
    page.goto(PAGE)

    expect(page.get_by_text("To add a browser, switch on JavaScript in it.")).to_be_visible()
    expect(page.get_by_role("button", name=ADD)).to_be_hidden()
