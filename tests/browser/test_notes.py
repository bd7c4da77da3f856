"""Notes on a request, as two people see them at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from local_stack.stack import Stack
from tests.browser import test_every_page
from tests.browser.test_every_page import ACME, NARROW, is_accessible_and_fits

PageOf = Callable[..., Page]

live = test_every_page.live


@pytest.mark.timeout(300)
def test_a_note_and_a_new_responsible_person_appear_on_open_pages(
    portal: Stack, page_of: PageOf, live: str
) -> None:
    reader, now = page_of("alice"), page_of("alice", viewport=NARROW)
    reader.goto(live)
    now.goto(f"{ACME}/")
    page = page_of("dana", viewport=NARROW)
    page.goto(live)

    page.get_by_label("Write a note").fill("Watch <b>port 443</b>,\nthen call @alice.")
    reader.get_by_label("Write a note").fill("I am typing")
    page.get_by_role("button", name="Save note").click()
    for one in (page, reader):
        expect(one.get_by_text("dana wrote a note.")).to_be_visible()
    expect(now.get_by_text("Watch <b>port 443</b>, then call @alice.")).to_be_visible()
    # A script replaces parts of the page, and never what someone types.
    expect(reader.get_by_label("Write a note")).to_have_value("I am typing")

    page.get_by_role("button", name="Take over").click()
    expect(page.get_by_text("Responsible: dana").first).to_be_visible()
    for one in (reader, now):
        expect(one.get_by_text("Responsible: dana").first).to_be_visible()

    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_text("Write a note.")).to_be_visible()
    is_accessible_and_fits(page)
    is_accessible_and_fits(now)


@pytest.mark.timeout(300)
def test_names_of_members_are_offered_while_they_are_typed(
    portal: Stack, page_of: PageOf, live: str
) -> None:
    page = page_of("dana", viewport=NARROW)
    page.goto(live)
    field, names = page.get_by_label("Write a note"), page.get_by_role("option")
    field.press_sequentially("Watch it, mail a@b.example and @")
    expect(names.first).to_be_visible()
    offered = names.all_text_contents()
    assert {"alice", "bob"} <= set(offered)
    # Of another organization, and staff.
    assert not {"charlie", "mo"} & set(offered)
    expect(page.get_by_role("status").filter(has_text="members: ")).to_have_count(1)
    is_accessible_and_fits(page)

    field.focus()
    field.press_sequentially("AL")
    expect(names).to_have_text(["alice"])
    expect(field).to_have_attribute("aria-activedescendant", "note-name-0")
    field.press("Enter")
    field.press_sequentially("and @b")
    expect(names.first).to_have_text("bob")
    names.first.click()
    expect(field).to_be_focused()
    expect(field).to_have_value("Watch it, mail a@b.example and @alice and @bob ")

    field.press_sequentially("@")
    expect(names.first).to_be_visible()
    marked = page.locator("[role=option][aria-selected=true]")
    first = marked.text_content()
    field.press("ArrowDown")
    expect(marked).not_to_have_text(first or "")
    field.press("ArrowUp")
    expect(marked).to_have_text(first or "")
    field.press("Escape")
    expect(names.first).to_be_hidden()
    field.press("Backspace")
    field.press("Enter")
    field.press_sequentially("@nobody")
    expect(names).to_have_count(0)
    expect(field).to_have_value("Watch it, mail a@b.example and @alice and @bob \n@nobody")
