"""The first ten minutes of a customer: staff add an organization, its admin joins by mail and
invites a colleague, whose role changes and who is removed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.conftest import unused_code
from tests.browser.steps import left_by_itself, opens, violations
from tests.browser.test_every_page import TOO_WIDE

PASSWORD = "a long sentence of my own"
MAIL_WITHIN_MS = 60_000
BETWEEN_MAILS = b"-" * 79 + b"\n"
NEW = "/portal/organizations/new"
HEADER_HEIGHT = "() => document.querySelector('.bar')?.offsetHeight ?? 0"
ONE_LINE_PX = 60
SIZES = ((360, 740), (390, 800), (1280, 900))
TABLET = (768, 900)
JUDGED = (("light", 1280), ("dark", 360))
"""Where axe judges a page, which takes a second of a core: once in each scheme, on the widest and on
the narrowest screen.
"""


def link_to(page: Page, portal: Stack, email: str, path: str = "/invitations/") -> str:
    """The path of the newest link that was mailed to this address; waits until it is there."""
    for _ in range(MAIL_WITHIN_MS // 200):
        for message in mails(portal):
            body = message.get_body(("plain",))
            found = body and re.search(rf"http://\S+({path}[\w-]+)", body.get_content())
            if message["To"] == email and found:
                return found[1]
        # The worker writes it within a few seconds, and nothing says when.
        page.wait_for_timeout(200)
    raise AssertionError(f"no mail to {email}: {list(portal.mail.glob('*'))}")


def mails(portal: Stack) -> Iterator[EmailMessage]:
    """The newest first. A file holds all that one run of the worker wrote."""
    for file in sorted(portal.mail.glob("*"), reverse=True):
        for one in reversed(file.read_bytes().split(BETWEEN_MAILS)):
            if one.strip():
                yield message_from_bytes(one, policy=policy.default)


def join(page: Page, link: str, username: str, *, first_page: str = "**/settings") -> str:
    """Accept an invitation as a new person, as far as the first page of the organization. Returns
    the key of the authenticator app.
    """
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
    page.wait_for_url(first_page)
    return key


def look(page: Page, heading: str = "", *, more: Iterable[tuple[int, int]] = ()) -> None:
    """The page fits in each size, in those of `more` too, and is accessible in each scheme.
    `heading`: of a page that is still loading.
    """
    if heading:
        expect(page.locator("h1")).to_contain_text(heading)
    page.wait_for_load_state()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width, height in (*more, *SIZES):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(TOO_WIDE) == [], (page.url, width)
            assert page.evaluate(HEADER_HEIGHT) <= ONE_LINE_PX, (page.url, width)
            if (scheme, width) in JUDGED:
                assert violations(page) == [], (page.url, scheme, width)


@pytest.mark.timeout(420)
def test_a_new_customer_needs_no_admin_site(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    mo = page_of("mo")
    mo.goto("/portal/organizations/")
    look(mo)
    opens(mo.get_by_role("link", name="New organization"))
    look(mo)
    name = f"Initech Rechenzentrumsbetriebsgesellschaft {int(time.time())}"
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
    opens(ann.get_by_role("link", name="Open members"))
    look(ann)
    ann.get_by_label("Email address").fill(colleague_email)
    ann.get_by_role("button", name="Send invitation").click()
    expect(ann.locator("main")).to_contain_text(f"A mail to {colleague_email} is on its way.")
    look(ann)

    opens(ann.get_by_role("link", name="Single sign-on"))
    look(ann)
    ann.get_by_role("link", name="Members").click()

    cole = context_of().new_page()
    cole.goto("/sign-in/organization")
    look(cole)
    join(cole, link_to(cole, portal, colleague_email), "cole")
    cole.goto(link)
    expect(cole.locator("h1")).to_contain_text("This invitation does not work")

    ann.reload()
    ann.get_by_label("Role of cole").select_option("approver")
    ann.get_by_role("button", name="Change role of cole").click()
    expect(ann.locator("main")).to_contain_text("cole is now approver.")
    opens(ann.get_by_role("link", name="Lost phone… (cole)"))
    look(ann)
    ann.go_back()
    opens(ann.get_by_role("link", name="Remove… (cole)"))
    look(ann)
    cole.goto("/")
    socket = cole.locator("#live")
    expect(socket).to_contain_text("Live")
    ann.get_by_role("button", name="Remove now").click()
    expect(ann.locator("main")).to_contain_text("cole is not a member any more.")
    left_by_itself(cole)
