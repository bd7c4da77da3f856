"""A customer's whole life: from the staff's first form to the audit of an attack that is over."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.steps import (
    count_interactions,
    expect_passed_test,
    interactions,
    let_the_factor_age,
    press,
    send_certificate,
)
from tests.browser.test_people import join, link_to
from tests.integration.stack import control

PREFIX = "192.0.2.64/27"
AUDIT_WITHIN_MS = 60_000
EVERY_MS = 1_000
ACTS = (
    ("mo (portal staff)", "Added an organization"),
    ("mo (portal staff)", "Invited a person"),
    ("ann-life", "Joined by an invitation"),
    ("ann-life", "Set up a second factor"),
    ("ann-life", "Added a resource"),
    ("ann-life", "Asked portal staff to verify a resource"),
    ("mo (portal staff)", "Verified a resource"),
    ("ann-life", "Made a client key"),
    ("ann-life", "Connected a provider"),
    ("ann-life", "Tested a connection"),
    ("ann-life", "Started a drill"),
    ("ann-life", "Invited a person"),
    ("cole-life", "Joined by an invitation"),
    ("ann-life", "Changed settings"),
    ("ann-life", "Requested mitigation"),
    ("cole-life", "Approved a request"),
    ("ann-life", "Terminated a request"),
)
"""What each of them did, as the audit says it."""

pytestmark = [pytest.mark.usefixtures("calm"), pytest.mark.timeout(420)]


@dataclass
class Person:
    """A person with a browser, in which interactions are counted."""

    name: str
    page: Page
    secret: str = ""


def test_a_customer_is_founded_connected_protected_and_audited(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    mo = Person("mo", page_of("mo"), portal.secrets.totp_secrets["mo"])
    ann = Person("ann-life", count_interactions(context_of()).new_page())
    cole = Person("cole-life", count_interactions(context_of()).new_page())
    count_interactions(mo.page.context)

    slug = found_the_organization(mo, ann, portal)
    prove_a_resource(ann, mo)
    # The customer's contract with Northgate, which knows it by the name in its certificate.
    control(portal, "northgate", f"/clients/{slug}", [PREFIX])
    connect_the_provider(ann, portal)
    run_the_first_drill(ann)
    invite_the_approver(ann, cole, portal)
    ask_for_approval_of_all(ann)
    path = request_mitigation(ann, slug, portal)
    approve(cole, portal, path)
    terminate(ann, path)
    read_the_audit(ann)


def found_the_organization(mo: Person, ann: Person, portal: Stack) -> str:
    """Returns the slug."""
    mo.page.goto("/portal/organizations/")
    interactions(mo.page)
    mo.page.get_by_role("link", name="New organization").click()
    mo.page.get_by_label("Name", exact=True).fill(f"Initrode {int(time.time())}")
    mo.page.get_by_label("Email address of the first admin").fill("ann@initrode.example")
    is_on_its_way = mo.page.get_by_text("A mail to ann@initrode.example is on its way.")
    press(mo.page, "Add and send the invitation", mo.secret, done=is_on_its_way)
    assert without_code(interactions(mo.page)) == 4

    ann.secret = join(ann.page, link_to(ann.page, portal, "ann@initrode.example"), ann.name)
    expect(ann.page.locator("h1")).to_have_text("0 of 4 steps are done.")
    assert interactions(ann.page) == 6
    return ann.page.url.split("/organizations/")[1].split("/")[0]


def without_code(counted: int) -> int:
    """Whether staff had to confirm with a code depends on when they signed in."""
    return counted - (counted == 5)


def open_settings(page: Page, name: str) -> None:
    tabs = page.get_by_role("navigation", name="Settings")
    tabs.get_by_role("link", name=name, exact=True).click()


def prove_a_resource(ann: Person, mo: Person) -> None:
    ann.page.get_by_role("link", name="Open resources").click()
    ann.page.get_by_label("Prefix, name or web address").fill(PREFIX)
    ann.page.get_by_label("Name", exact=True).fill("Web shop")
    ann.page.get_by_role("button", name="Add resource").last.click()
    expect(ann.page.locator("h1")).to_contain_text("Web shop:")
    ann.page.get_by_role("button", name="Ask portal staff").click()
    expect(ann.page.locator("main")).to_contain_text("Portal staff")
    assert interactions(ann.page) == 5

    mo.page.goto("/portal/organizations/")
    interactions(mo.page)
    mo.page.get_by_role("link", name="1 resource waits for a decision").click()
    mo.page.get_by_role("link", name="Web shop").click()
    saved = mo.page.get_by_text("may now request protection")
    verify = mo.page.get_by_role("button", name="Verify for Initrode").inner_text()
    press(mo.page, verify, mo.secret, done=saved)
    assert interactions(mo.page) == 3
    ann.page.reload()
    expect(ann.page.locator("h1")).to_contain_text("Web shop: verified")


def connect_the_provider(ann: Person, portal: Stack) -> None:
    interactions(ann.page)
    ann.page.get_by_role("link", name="Settings").first.click()
    open_settings(ann.page, "Providers")
    expect(ann.page.locator("h1")).to_have_text("No provider to ask.")
    ann.page.get_by_role("link", name="Northgate Scrubbing").click()
    signing = ann.page.get_by_text("1. Have this request signed")
    press(ann.page, "Make a key", ann.secret, done=signing)
    send_certificate(ann.page, portal, "northgate")
    expect(ann.page.locator("main")).to_contain_text("The certificate was saved.")
    expect_passed_test(ann.page, "worked")
    # Settings, Providers, the provider, the key, the request, the signed file, the upload.
    assert interactions(ann.page) == 7
    ann.page.reload()
    expect(ann.page.locator("h1")).to_have_text("Northgate Scrubbing: connected")


def run_the_first_drill(ann: Person) -> None:
    ann.page.get_by_role("button", name="Run a first drill").click()
    expect(ann.page.locator("table.drill")).to_contain_text("Passed")
    assert interactions(ann.page) == 1


def invite_the_approver(ann: Person, cole: Person, portal: Stack) -> None:
    ann.page.get_by_role("link", name="Settings").first.click()
    open_settings(ann.page, "Members")
    ann.page.get_by_label("Email address").fill("cole@initrode.example")
    ann.page.locator("input[name=role][value=approver]").check()
    is_on_its_way = ann.page.get_by_text("A mail to cole@initrode.example is on its way.")
    press(ann.page, "Send invitation", ann.secret, done=is_on_its_way)
    assert interactions(ann.page) == 5

    cole.secret = join(cole.page, link_to(cole.page, portal, "cole@initrode.example"), cole.name)
    assert interactions(cole.page) == 6


def ask_for_approval_of_all(ann: Person) -> None:
    open_settings(ann.page, "Policy")
    ann.page.get_by_label("All", exact=True).check()
    is_saved = ann.page.get_by_text("The policy is saved, and applies from now.")
    press(ann.page, "Save policy", ann.secret, done=is_saved)
    expect(ann.page.locator("h1")).to_have_text("A second person approves every request.")


def request_mitigation(ann: Person, slug: str, portal: Stack) -> str:
    """Returns the path of the request, which waits."""
    ann.page.goto(f"/organizations/{slug}/")
    ann.page.locator(".quick a", has_text="Web shop").click()
    will = ann.page.locator("#will")
    expect(will).to_contain_text("Nothing is sent until another person approves it.")
    ann.page.get_by_role("button", name="Send request").click()
    ann.page.wait_for_url(re.compile(r"/requests/[0-9a-f-]{36}"))
    expect(ann.page.locator("h1")).to_have_text("Nothing has been sent. Waiting for approval.")
    held = control(portal, "northgate", "/state")["mitigations"]
    assert not [one for one in held if PREFIX in str(one) and one["status"] < 5]
    return ann.page.url.removeprefix(portal.url).partition("#")[0]


def approve(cole: Person, portal: Stack, path: str) -> None:
    let_the_factor_age(portal, cole.name)
    cole.page.goto(path.partition("/requests/")[0] + "/")
    cole.page.get_by_role("link", name=re.compile("Approvals")).first.click()
    cole.page.get_by_role("link", name="Decide").click()
    expect(cole.page.locator("main")).to_contain_text("What would be sent")
    status = cole.page.locator(".crumb [data-status=mitigating]")
    press(cole.page, "Approve", cole.secret, done=status)
    expect(cole.page.locator("main")).to_contain_text(f"{cole.name} approved it")


def terminate(ann: Person, path: str) -> None:
    ann.page.goto(path)
    expect(ann.page.locator("h1")).to_contain_text("filtering")
    ann.page.locator("#terminate > summary").click()
    ann.page.get_by_role("button", name="Terminate now").click()
    ended = ann.page.locator(".crumb [data-status=terminated]")
    expect(ended).to_be_visible()


def read_the_audit(ann: Person) -> None:
    ann.page.get_by_role("link", name="Audit").first.click()
    rows = ann.page.locator("tbody tr")
    newest = rows.filter(has_text="Terminated a request")
    for _ in range(AUDIT_WITHIN_MS // EVERY_MS):
        if newest.count():
            break
        # Requests appear after a few seconds, and the page does not reload on its own.
        ann.page.wait_for_timeout(EVERY_MS)
        ann.page.reload()
    shown = [" ".join(text.split()) for text in rows.all_inner_texts()]
    missing = [(who, act) for who, act in ACTS if not any(f" {who} {act} " in row for row in shown)]
    assert missing == [], shown
