"""A sign-in in a browser ends at a fixed time, and earlier if the browser is not used (ADR 71)."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.accounts import tasks
from portal.accounts.models import BrowserSession, User
from tests.conftest import ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.web.test_signed_out import OURS, hidden, signs_in

PAGE = "/organizations/acme/requests?status=live"
NEXT = "/sign-in?next=/organizations/acme/requests%3Fstatus%3Dlive"
IDLE = "You were signed out because this browser was not used for 60\u00a0min."
TIME = "You were signed out because you signed in too long ago."


def leave_unused(minutes: float) -> None:
    BrowserSession.objects.update(last_seen_at=timezone.now() - timedelta(minutes=minutes))


def run_out() -> None:
    Session.objects.update(expire_date=timezone.now())


def said(browser: Client, path: str) -> str:
    return html.unescape(browser.get(path).content.decode())


@pytest.mark.parametrize(("minutes", "status"), [(59, 200), (60.9, 200), (61.1, 302)])
def test_a_browser_that_is_not_used_for_an_hour_is_signed_out(
    bob: User, client_of: ClientOf, minutes: float, status: int
) -> None:
    browser = client_of(bob)
    leave_unused(minutes)

    assert browser.get(PAGE).status_code == status
    assert browser.get("/api/v1/me").status_code == (200 if status == 200 else 401)


def test_the_limits_are_settings(bob: User, settings: Any) -> None:
    settings.SESSION_IDLE, settings.SESSION_COOKIE_AGE = timedelta(minutes=5), 3600
    browser = Client()
    signs_in(browser, "bob", "/")
    until = browser.session.get_expiry_date()
    assert timedelta(minutes=59) < until - timezone.now() <= timedelta(hours=1)

    leave_unused(7)

    assert browser.get(PAGE)["Location"] == NEXT
    assert "not used for 5\u00a0min." in said(browser, NEXT)


@pytest.mark.parametrize(("ending", "words"), [("idle", IDLE), ("time", TIME)])
def test_the_sign_in_page_says_why_and_leads_back(
    bob: User, client_of: ClientOf, ending: str, words: str
) -> None:
    browser = client_of(bob)
    leave_unused(90) if ending == "idle" else run_out()

    assert browser.get(PAGE)["Location"] == NEXT
    page = said(browser, NEXT)

    assert f"{words} Sign in to go on where you were." in page
    assert signs_in(browser, "bob", hidden(page)["next"]) == PAGE
    assert browser.get(PAGE).status_code == 200
    assert BrowserSession.objects.filter(user=bob).count() == 2


def test_the_reason_survives_calls_of_scripts_and_housekeeping(
    bob: User, client_of: ClientOf
) -> None:
    browser = client_of(bob)
    leave_unused(90)
    run_out()

    browser.get("/organizations/acme/", headers={"HX-Request": "true", "HX-Trigger": "refresh"})
    browser.head("/organizations/acme/")
    tasks.prune()

    assert TIME in said(browser, "/sign-in")


def test_the_row_and_the_cookie_of_an_ended_session_go_after_a_day(bob: User) -> None:
    browser = Client()
    signs_in(browser, "bob", "/")
    cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
    assert int(cookie["max-age"]) == pytest.approx((12 + 24) * 3600, abs=5)
    Session.objects.update(expire_date=timezone.now() - timedelta(hours=25))

    tasks.prune()

    assert not Session.objects.exists()
    assert not BrowserSession.objects.exists()
    assert "You were signed out" not in said(browser, "/sign-in")


@pytest.mark.parametrize(("ending", "words"), [("idle", IDLE), ("time", TIME)])
def test_a_typed_form_is_kept_and_the_page_gives_the_reason(
    dana: User, shop: object, client_of: ClientOf, ending: str, words: str
) -> None:
    browser = client_of(dana)
    form = hidden(browser.get("/organizations/acme/requests/new").content.decode())
    leave_unused(90) if ending == "idle" else run_out()

    answer = browser.post(
        "/organizations/acme/requests/new", {**form, "other": "203.0.113.7"}, headers=OURS
    )

    page = said(browser, answer["Location"])
    assert f"{words} Sign in; what you typed is saved." in page


def test_a_button_pressed_too_late_did_nothing(bob: User, client_of: ClientOf) -> None:
    browser = client_of(bob)
    leave_unused(90)

    answer = browser.post("/me/second-factor/recovery-codes", headers=OURS)

    page = said(browser, answer["Location"])
    assert f"{IDLE} Nothing was done. Sign in, then press the button again." in page


def test_calls_of_scripts_are_no_use_of_the_browser(bob: User, client_of: ClientOf) -> None:
    browser = client_of(bob)
    leave_unused(30)
    before = BrowserSession.objects.get().last_seen_at

    for part in ("refresh", "refresh-counters"):
        headers = {"HX-Request": "true", "HX-Trigger": part}
        assert browser.get("/organizations/acme/", headers=headers).status_code == 200
    browser.head("/organizations/acme/")
    assert BrowserSession.objects.get().last_seen_at == before

    browser.get("/organizations/acme/")
    assert BrowserSession.objects.get().last_seen_at > before


def test_a_sign_in_that_stopped_after_the_password_has_no_reason(bob: User) -> None:
    browser = Client()
    browser.post("/sign-in", {"username": "bob", "password": PASSWORD})
    run_out()

    assert browser.post("/sign-in/code", {"code": app_code()})["Location"].startswith("/sign-in")
    assert "You were signed out" not in said(browser, "/sign-in")
