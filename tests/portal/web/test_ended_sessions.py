"""A browser whose session was ended from elsewhere reads why at the sign-in; no other one does."""

from __future__ import annotations

import html
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.accounts import services, tasks
from portal.accounts.models import Authenticator, BrowserSession, EndedSession, User
from portal.accounts.services.browsers import MAX_BROWSERS_PER_USER
from portal.accounts.session_store import SAYS_WHY_FOR
from portal.organizations.members import remove_member
from portal.organizations.models import Organization
from tests.conftest import ClientOf
from tests.factories import PASSWORD, AuthenticatorFactory, app_code

PAGE = "/organizations/acme/requests"
NEW = "another staple altogether"


def said(browser: Client) -> str:
    return html.unescape(browser.get(browser.get(PAGE)["Location"]).content.decode())


def end_from_another(bob: User, other: Client) -> None:
    [theirs] = BrowserSession.objects.exclude(session_id=other.session.session_key)
    assert other.post(f"/me/sessions/{theirs.pk}/end").status_code == 302


def end_all_others(bob: User, other: Client) -> None:
    assert other.post("/me/sessions/end-others").status_code == 302


def change_password(bob: User, other: Client) -> None:
    services.change_password(user=bob, current=PASSWORD, new=NEW, address="192.0.2.1")


def reset_factor(bob: User, other: Client) -> None:
    services.reset_second_factor(user=bob, actor=bob, address="192.0.2.1")


def remove_factor(bob: User, other: Client) -> None:
    AuthenticatorFactory.create(user=bob, name="Tablet")
    first = Authenticator.objects.filter(user=bob).order_by("pk")[0]
    services.remove_factor(user=bob, kind="app", factor_id=first.pk)


def leave(bob: User, other: Client) -> None:
    remove_member(organization=Organization.objects.get(slug="acme"), user=bob)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (end_from_another, "you ended this session from another browser or app."),
        (end_all_others, "you ended this session from another browser or app."),
        (change_password, "your password was changed."),
        (reset_factor, "the second factor or the single sign-on that opened this session ended."),
        (remove_factor, "the second factor or the single sign-on that opened this session ended."),
        (leave, "your access was ended."),
    ],
)
def test_the_sign_in_page_says_why_the_session_was_ended(
    bob: User, client_of: ClientOf, end: Callable[[User, Client], None], words: str
) -> None:
    browser, other = client_of(bob), client_of(bob)

    end(bob, other)

    page = said(browser)
    assert f"You were signed out: {words}" in page
    assert "bob" not in page
    stranger = Client()
    assert "You were signed out" not in said(stranger)


def test_the_reason_needs_the_whole_key_and_is_kept_for_a_day(
    bob: User, client_of: ClientOf
) -> None:
    browser, guess = client_of(bob), Client()
    change_password(bob, browser)
    [row] = EndedSession.objects.all()
    guess.cookies["sessionid"] = row.digest

    assert "You were signed out" not in said(guess)
    assert str(browser.cookies["sessionid"].value) not in row.digest
    assert not Session.objects.exists()
    EndedSession.objects.update(ended_at=timezone.now() - SAYS_WHY_FOR - timedelta(seconds=1))
    tasks.prune()
    assert not EndedSession.objects.exists()
    assert "You were signed out" not in said(browser)


def test_a_browser_over_the_limit_reads_that(bob: User, client_of: ClientOf) -> None:
    first = client_of(bob)
    BrowserSession.objects.update(last_seen_at=timezone.now() - timedelta(minutes=2))
    for number in range(MAX_BROWSERS_PER_USER):
        BrowserSession.objects.create(
            session_id=f"other{number:030}",
            user=bob,
            signed_in_at=timezone.now(),
            last_seen_at=timezone.now(),
        )

    newest = Client()
    newest.post("/sign-in", {"username": "bob", "password": PASSWORD})

    assert newest.post("/sign-in/code", {"code": app_code()}).status_code == 302

    assert "you signed in with too many browsers." in said(first)


def test_a_person_who_signed_out_reads_no_reason(bob: User, client_of: ClientOf) -> None:
    browser = client_of(bob)

    browser.post("/sign-out")

    assert "You were signed out" not in said(browser)
