"""The first ten minutes of a customer: staff add an organization, its admin joins by mail and
invites a colleague, whose role changes and who is removed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from email import message_from_bytes, policy

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.conftest import unused_code
from tests.browser.test_every_page import TOO_WIDE

PASSWORD = "a sentence that nobody else knows"
MAIL_WITHIN_MS = 60_000
NEW = "/portal/organizations/new"
SIZES = ((360, 740), (390, 800), (1280, 900))


def link_to(page: Page, portal: Stack, email: str) -> str:
    """The path of the newest link that was mailed to this address; waits until it is there."""
    for _ in range(MAIL_WITHIN_MS // 200):
        for file in sorted(portal.mail.glob("*"), reverse=True):
            message = message_from_bytes(file.read_bytes(), policy=policy.default)
            found = re.search(r"http://\S+(/invitations/[\w-]+)", message.get_content())
            if message["To"] == email and found:
                return found[1]
        # The worker writes it within a few seconds, and nothing says when.
        page.wait_for_timeout(200)
    raise AssertionError(f"no mail to {email}: {list(portal.mail.glob('*'))}")


def join(page: Page, link: str, username: str) -> None:
    """Accept an invitation as a new person, as far as the first page of the organization."""
    page.goto(link)
    page.get_by_label("Your name for signing in").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/enrol*")
    key = (page.locator(".key").text_content() or "").replace(" ", "")
    page.get_by_label("6-digit code").fill(unused_code(key))
    expect(page.locator("h1")).to_have_text("Save your recovery codes")
    page.get_by_label("I have saved them").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/settings")


def look(page: Page) -> None:
    """The page fits and is accessible in each size and scheme."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(TOO_WIDE) == [], (page.url, width)
            violations = Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == [], page.url


@pytest.mark.timeout(420)
def test_a_new_customer_needs_no_admin_site(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    mo = page_of("mo")
    mo.goto("/portal/organizations/")
    look(mo)
    mo.get_by_role("link", name="New organization").click()
    look(mo)
    name = f"Initech {int(time.time())}"
    mo.get_by_label("Name", exact=True).fill(name)
    admin_email, colleague_email = "ann@initech.example", "cole@initech.example"
    mo.get_by_label("Email address of the first admin").fill(admin_email)
    mo.get_by_role("button", name="Add and send the invitation").click()
    expect(mo.locator("main")).to_contain_text(f"A mail to {admin_email} is on its way.")
    look(mo)

    ann = context_of().new_page()
    link = link_to(ann, portal, admin_email)
    ann.goto(link)
    look(ann)
    join(ann, link, "ann")
    expect(ann.locator("h1")).to_have_text("0 of 4 steps are done.")
    look(ann)
    ann.get_by_role("link", name="Open members").click()
    look(ann)
    ann.get_by_label("Email address").fill(colleague_email)
    ann.get_by_role("button", name="Send invitation").click()
    expect(ann.locator("main")).to_contain_text(f"A mail to {colleague_email} is on its way.")
    look(ann)

    cole = context_of().new_page()
    join(cole, link_to(cole, portal, colleague_email), "cole")
    cole.goto(link)
    expect(cole.locator("h1")).to_contain_text("This invitation does not work")

    ann.reload()
    ann.get_by_label("Role of cole").select_option("approver")
    ann.get_by_role("button", name="Change role of cole").click()
    expect(ann.locator("main")).to_contain_text("cole is now approver.")
    ann.get_by_role("link", name="Lost phone… (cole)").click()
    look(ann)
    ann.go_back()
    ann.get_by_role("link", name="Remove… (cole)").click()
    look(ann)
    cole.goto("/")
    socket = cole.locator("#live")
    expect(socket).to_contain_text("Live")
    ann.get_by_role("button", name="Remove now").click()
    expect(ann.locator("main")).to_contain_text("cole is not a member any more.")
    cole.goto("/")
    expect(cole.locator("h1")).to_have_text("Sign in")
