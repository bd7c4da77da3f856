"""The whole line: a detector reports an attack, a person presses one button, a colleague learns of
it by mail, the detector reports the end, and the report says for ever who saw the attack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser.steps import count_interactions, interactions
from tests.browser.test_alerts import ENDPOINTS, add_endpoint
from tests.browser.test_people import look, mails

NOW = "/organizations/acme/"
SAMPLES = Path(__file__).parents[1] / "portal" / "alerts" / "fixtures" / "fastnetmon"
TARGET = "203.0.113.7/32"
NAME = "Border routers"
SEEN = f"{NAME} ({TARGET})"
HOLD_DOWN_S = 10
WITHIN_MS = 90_000
WANTED = ("request.accepted email", "request.ended email")
BOB = "bob@"
"""Another test gives bob another address."""

pytestmark = [pytest.mark.timeout(420), pytest.mark.usefixtures("calm")]


def send(page: Page, door: str, sample: str) -> None:
    """What FastNetMon Advanced posts."""
    body = (SAMPLES / f"{sample}.json").read_text()
    answer = page.request.post(door, data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 202


def door_of(page: Page, portal: Stack) -> str:
    """A new endpoint whose incidents are over soon after the end: its address with the secret."""
    path = add_endpoint(page, "fastnetmon", NAME)
    secret = page.locator("code.mono").inner_text()
    page.goto(path)
    page.get_by_text("Change it").click()
    page.locator("#hold_down_s").fill(str(HOLD_DOWN_S))
    policy = page.locator("form", has=page.locator("#hold_down_s"))
    policy.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text(NAME)
    return f"{portal.url}/api/v1/alerts/{path.rpartition('/')[2]}?key={secret}"


@pytest.fixture
def wanted_mails(page_of: Callable[..., Page]) -> Iterator[None]:
    """bob, who gets no other notices, wants mail about requests."""
    bob = page_of("bob")

    def choose(*, wants: bool) -> None:
        bob.goto("/me/notices")
        boxes = [bob.locator(f"input[name=wanted][value='{kind}']") for kind in WANTED]
        for box in boxes:
            box.set_checked(wants)
        bob.get_by_role("button", name="Save").click()
        bob.goto("/me/notices")
        for box in boxes:
            expect(box).to_be_checked(checked=wants)

    choose(wants=True)
    yield
    choose(wants=False)


def mail_about(page: Page, portal: Stack, words: str, number: str) -> EmailMessage:
    """bob's newest mail with these words about the request; waits until it is there."""
    for _ in range(WITHIN_MS // 200):
        for mail in mails(portal):
            subject = str(mail["Subject"])
            if str(mail["To"]).startswith(BOB) and words in subject and number in subject:
                return mail
        page.wait_for_timeout(200)
    subjects = [str(one["Subject"]) for one in mails(portal) if str(one["To"]).startswith(BOB)]
    raise AssertionError(f"no mail to bob about {words} {number}: {subjects}")


def test_from_the_detector_to_the_report(
    portal: Stack, page_of: Callable[..., Page], wanted_mails: None
) -> None:
    admin = page_of("alice")
    door = door_of(admin, portal)
    page = page_of("dana", viewport={"width": 390, "height": 844})
    count_interactions(page.context)
    page.goto(NOW)

    # The proposal comes to the open page, and one button sends it.
    send(admin, door, "host-ban")
    proposal = page.locator("li", has_text=f"Protect {TARGET}")
    expect(proposal).to_contain_text(f"{NAME}: udp_flood, 10 Gbit/s", timeout=WITHIN_MS)
    interactions(page)
    proposal.get_by_role("button", name="Send request").click()
    page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    assert interactions(page) == 1
    status = page.locator(".crumb [data-status]")
    expect(status).to_have_attribute("data-status", "mitigating", timeout=WITHIN_MS)
    path = page.url.removeprefix(portal.url).partition("#")[0]
    number = page.locator("#p-side dt", has_text="Request number").locator("xpath=../dd")
    request_number = number.inner_text().strip()

    # A colleague who is not there learns of it.
    accepted = mail_about(page, portal, "accepted", request_number)
    assert TARGET not in str(accepted["Subject"])

    # The chart has what the detector reported and what the provider drops, and follows both.
    chart = page.locator("#p-chart")
    expect(chart.locator(".key")).to_contain_text(SEEN, timeout=WITHIN_MS)
    expect(chart.locator("path.fill-a")).to_have_count(1, timeout=WITHIN_MS)
    expect(chart.locator("path.seen-dot")).to_have_attribute("d", re.compile("^M"))
    dots = chart.locator("path.seen-1").last.get_attribute("d") or ""
    send(admin, door, "host-status")
    longer = re.compile(f"^(?!{re.escape(dots)}$)")
    expect(chart.locator("path.seen-1").last).to_have_attribute("d", longer, timeout=WITHIN_MS)
    look(page)

    # The end is proposed after the hold-down, and confirmed.
    send(admin, door, "host-unban")
    page.goto(NOW)
    end = page.locator("li", has_text=f"Terminate the request for {TARGET}")
    expect(end).to_be_visible(timeout=WITHIN_MS)
    end.get_by_role("button", name="Terminate now").click()
    expect(status).to_have_attribute("data-status", "terminated", timeout=WITHIN_MS)
    ended = mail_about(page, portal, "ended", request_number)
    assert ended["References"] == accepted["References"]

    page.goto(f"{path}/report")
    expect(page.locator("#p-chart")).to_contain_text(f"{SEEN} reported")
    look(page)

    # The report names the detector also when its endpoint is gone.
    admin.goto(ENDPOINTS)
    admin.get_by_role("link", name=NAME).click()
    admin.get_by_role("link", name="Remove…").click()
    admin.get_by_role("button", name=re.compile("Remove")).click()
    page.reload()
    expect(page.locator("main")).to_contain_text(f"{NAME}: udp_flood")
    expect(page.locator("#p-chart")).not_to_contain_text(SEEN)
