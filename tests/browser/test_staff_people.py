"""The portal's staff without the emergency site: a manager invites colleagues, two of them reset a
lost phone, and one leaves. Then staff raise a customer's limit and replace its last admin.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local_stack.stack import Stack
from tests.browser.steps import left_by_itself, opens, press
from tests.browser.test_people import join, link_to, look

PORTAL = "**/portal/organizations/"
LINK = "/staff-invitations/"

pytestmark = pytest.mark.timeout(600)


def test_managers_invite_reset_and_end(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    mo, secret = page_of("mo"), portal.secrets.totp_secrets["mo"]
    mo.goto("/portal/organizations/")
    opens(mo.get_by_role("navigation", name="Main").get_by_role("link", name="Staff"))
    look(mo)
    keys, pages = {}, {}
    for name, role in (("rosa", "manager"), ("sam", "support")):
        address = f"{name}-{int(time.time())}@portal.example"
        mo.get_by_label("Email address").fill(address)
        mo.locator(f"input[name=role][value={role}]").check()
        is_on_its_way = mo.get_by_text(f"A mail to {address} is on its way.")
        press(mo, "Send invitation", secret, done=is_on_its_way)
        pages[name] = context_of().new_page()
        link = link_to(pages[name], portal, address, LINK)
        if name == "rosa":
            look(mo)
            pages[name].goto(link)
            look(pages[name], "Join the portal’s staff")
        keys[name] = join(pages[name], link, name, first_page=PORTAL)
    rosa, sam = pages["rosa"], pages["sam"]

    sam.goto("/portal/staff/")
    expect(sam.locator("main")).to_contain_text("Managers invite colleagues and change roles")
    look(sam)
    mo.goto("/portal/staff/")
    mo.get_by_role("link", name="Lost phone… (sam)").click()
    look(mo, "sam lost the phone?")
    mo.get_by_label("How did you check who asked?").fill("Called back at the number we know")
    waits = mo.get_by_text("Another manager than you has to confirm it, on this page.")
    press(mo, "Ask for a reset", secret, done=waits)
    look(mo)
    # The mail to the other managers has the address of this page.
    rosa.goto(mo.url)
    press(rosa, "Reset now", keys["rosa"], done=rosa.get_by_text("The second factor is reset."))
    sam.goto("/portal/staff/")
    expect(sam.locator("h1")).to_have_text("Sign in")

    mo.goto("/portal/staff/")
    mo.get_by_label("Role of rosa").select_option("operations")
    mo.get_by_role("button", name="Change role of rosa").click()
    expect(mo.locator("main")).to_contain_text("The role of rosa is now Operations.")
    rosa.goto("/portal/staff/")
    expect(rosa.get_by_role("button", name="Send invitation")).to_have_count(0)
    mo.get_by_role("link", name="End access… (rosa)").click()
    look(mo, "End the access of rosa as staff?")
    ended = mo.get_by_text("rosa no longer belongs to the staff.")
    press(mo, "End access now", secret, done=ended)
    rosa.reload()
    expect(rosa.locator("h1")).to_have_text("Sign in")

    mo.get_by_role("link", name="Leave…").click()
    expect(mo.locator("main")).to_contain_text("mo is the last manager of the portal's staff")
    expect(mo.get_by_role("button", name="Leave now")).to_have_count(0)
    look(mo)


def test_staff_raise_a_limit_and_replace_the_last_admin(
    portal: Stack, page_of: Callable[..., Page], context_of: Callable[..., BrowserContext]
) -> None:
    mo, secret = page_of("mo"), portal.secrets.totp_secrets["mo"]
    name = f"Hooli {int(time.time())}"
    mo.goto("/portal/organizations/new")
    mo.get_by_label("Name", exact=True).fill(name)
    mo.get_by_label("Email address of the first admin").fill("hal@hooli.example")
    sent = mo.get_by_text("A mail to hal@hooli.example is on its way.")
    press(mo, "Add and send the invitation", secret, done=sent)
    hal = context_of().new_page()
    join(hal, link_to(hal, portal, "hal@hooli.example"), "hal")
    settings = hal.url

    mo.reload()
    mo.locator("#limit").fill("1,500")
    mo.locator("#reason").fill("They grew")
    press(mo, "Save the limit", secret, done=mo.get_by_text("may have 1,500 live requests"))
    hal.goto(f"{settings}/policy")
    expect(hal.locator("main")).to_contain_text("may have 1,500 live requests")
    mo.get_by_role("link", name="Remove… (hal)").click()
    look(mo, "Remove hal from")
    expect(mo.get_by_role("button", name="Remove now")).to_have_count(0)
    mo.get_by_role("main").get_by_role("link", name=f"Back to {name}").click()
    mo.get_by_label("Email address").fill("ida@hooli.example")
    press(mo, "Send invitation", secret, done=mo.get_by_text("A mail to ida@hooli.example is on"))
    look(mo, name)
    mo.get_by_role("link", name="Remove… (hal)").click()
    mo.get_by_label("Reason").fill("He left the company")
    look(mo, "Remove hal from")
    press(mo, "Remove now", secret, done=mo.get_by_text("hal is not a member of"))

    left_by_itself(hal)
    ida = context_of().new_page()
    join(ida, link_to(ida, portal, "ida@hooli.example"), "ida")
    mo.reload()
    expect(mo.get_by_role("link", name="Remove… (ida)")).to_be_visible()
