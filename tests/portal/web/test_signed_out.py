"""A form or button submitted after the session ended does nothing, and the filled form is saved for
that person.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.core import signing
from django.test import Client

from portal.accounts.models import User
from portal.core.throttle import Limit
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby.models import StandbyPlan
from portal.web.accounts import typed
from tests.conftest import ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.standby.conftest import prepare as prepare
from tests.portal.web.conftest import Ask, filtering, mitigations_of
from tests.portal.web.test_markup import Page

NEW = "/organizations/acme/requests/new"
REASON = "UDP flood <since> 02:00 – “große” Wörter & more"


@pytest.fixture
def plan(
    prepare: Callable[..., StandbyPlan], acme_northgate: Subscription, acme_tidewall: Subscription
) -> StandbyPlan:
    return prepare()


@pytest.fixture
def live(ask: Ask) -> MitigationRequest:
    request = ask()
    filtering(mitigations_of(request)[0])
    return request


def hidden(page: str) -> dict[str, str]:
    fields = Page(page).all("input")
    return {one["name"]: one["value"] for one in fields if one.get("type") == "hidden"}


def filled(page: str) -> set[str]:
    """The values in the form: text, and ticked or chosen options."""
    inputs = Page(page).all("input")
    ticked = {one.get("value", "on") for one in inputs if "checked" in one}
    text = {one.get("value", "") for one in inputs if one.get("type") == "text"}
    areas = {html.unescape(one) for one in re.findall(r"<textarea[^>]*>([^<]*)", page)}
    chosen = {one.get("value", "") for one in Page(page).all("option") if "selected" in one}
    return ticked | text | areas | chosen


def signs_in(browser: Client, username: str, following: str) -> str:
    """Signs in on the pages; returns the path it leads to."""
    first = browser.post(
        "/sign-in", {"username": username, "password": PASSWORD, "next": following}
    )
    step = browser.get(first["Location"]).content.decode()
    last = browser.post("/sign-in/code", {"code": app_code(), "next": hidden(step)["next"]})
    return str(last["Location"])


def sent_without_session(
    browser: Client, page: str, path: str, fields: dict[str, Any]
) -> tuple[str, str]:
    """Submits the form of `page` to `path` after the session ended; returns the sign-in page, and
    where it leads.
    """
    own = hidden(browser.get(page).content.decode())
    browser.cookies.pop(settings.SESSION_COOKIE_NAME)
    answer = browser.post(path, {**own, **fields}, headers=OURS)
    assert answer["Location"].startswith("/sign-in?next=")
    shown = browser.get(answer["Location"]).content.decode()
    return shown, hidden(shown)["next"]


@pytest.mark.parametrize("form", ["new", "preview", "plan", "changed plan", "extension"])
def test_a_filled_form_is_restored_after_signing_in_and_not_sent(
    form: str,
    dana: User,
    shop: ProtectedResource,
    plan: StandbyPlan,
    live: MitigationRequest,
    client_of: ClientOf,
) -> None:
    browser = client_of(dana)
    before = MitigationRequest.objects.count(), StandbyPlan.objects.count()
    fields: dict[str, Any] = {
        "resources": [str(shop.pk)],
        "other": "203.0.113.7, shop.example",
        "ports": "80, not a port",
        "protocols": ["17"],
        "lifetime": "14400",
        "strategy": "parallel",
        "renew": "0",
        "reason": REASON,
    }
    named = {"name": "Shop, “full” flood", **fields}
    change = f"{plan.get_absolute_url()}/edit"
    extension = f"{live.get_absolute_url()}/extend/preview"
    forms: dict[str, tuple[str, str, dict[str, Any]]] = {
        "new": (NEW, NEW, fields),
        "preview": (NEW, "/organizations/acme/requests/preview", fields),
        "plan": ("/organizations/acme/standby/new", "/organizations/acme/standby/new", named),
        "changed plan": (change, change, named),
        "extension": (extension, f"{live.get_absolute_url()}/extend", {"lifetime": "14400"}),
    }
    page, path, fields = forms[form]

    said, following = sent_without_session(browser, page, path, fields)
    leads_to = signs_in(browser, "dana", following)
    shown = browser.get(leads_to).content.decode()

    assert "You were signed out. Sign in; what you typed is saved." in html.unescape(said)
    assert "203.0.113.7" not in said
    assert leads_to == page
    assert typed.RESTORED in shown
    if form == "extension":
        assert "Extend for 4\u00a0hours" in shown
    else:
        wanted = {fields["other"], fields["ports"], "17", "14400", REASON, str(shop.pk)}
        assert wanted <= filled(shown)
    assert (MitigationRequest.objects.count(), StandbyPlan.objects.count()) == before
    # Only once: the next new form is empty.
    assert typed.RESTORED not in browser.get(leads_to).content.decode()


def test_another_person_signing_in_on_that_browser_does_not_see_the_form(
    dana: User, bob: User, alice: User, shop: ProtectedResource, client_of: ClientOf
) -> None:
    browser = client_of(dana)
    _, following = sent_without_session(browser, NEW, NEW, {"other": "203.0.113.7"})

    leads_to = signs_in(browser, "alice", following)
    shown = browser.get(NEW).content.decode()

    assert leads_to == "/"
    assert "203.0.113.7" not in filled(shown)
    assert typed.RESTORED not in shown


OURS = {"Origin": "http://testserver"}
"""The headers that a browser sends with a form of the portal."""


def mark_of(user: User, **changed: Any) -> str:
    value = [str(user.pk), NEW, 2**31]
    return signing.dumps(value, salt=changed.get("salt", typed._SALT))


@pytest.mark.parametrize(
    "mark", ["", "forged", "of another use", "of dana, broken", "of dana, a list"], ids=str
)
def test_another_site_cannot_fill_a_form(mark: str, dana: User) -> None:
    """Another site cannot read a page of the person, and so does not know their marker."""
    text = {
        "": "",
        "forged": "dana:1:x",
        "of another use": mark_of(dana, salt="another"),
        "of dana, broken": mark_of(dana)[:-1],
        "of dana, a list": signing.dumps([str(dana.pk)], salt="portal"),
    }[mark]
    browser = Client()

    answer = browser.post(NEW, {typed.FIELD: text, "other": "203.0.113.7"}, headers=OURS)

    assert answer["Location"] == "/sign-in?next=%2F&undone=1"
    assert settings.SESSION_COOKIE_NAME not in browser.cookies


@pytest.mark.parametrize(
    ("headers", "is_kept"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site", **OURS}, False),
        ({"Sec-Fetch-Site": "same-site", **OURS}, False),
        (OURS, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://testserver"}, False),
        ({"Origin": "http://testserver.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example", "Referer": "http://testserver/"}, False),
        ({"Referer": f"http://testserver{NEW}"}, True),
        ({"Referer": "https://evil.example/http://testserver/"}, False),
        ({"Referer": "http://testserver.evil.example/"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_cross_site_post_creates_no_session_even_with_a_marker(
    headers: dict[str, str], is_kept: bool, dana: User
) -> None:
    """The cookie of such a session would replace that of a signed-in person (SameSite=Lax withholds
    theirs).
    """
    browser = Client()

    answer = browser.post(
        NEW, {typed.FIELD: mark_of(dana), "other": "203.0.113.7"}, headers=headers
    )

    assert (settings.SESSION_COOKIE_NAME in answer.cookies) is is_kept
    assert ("undone" in answer["Location"]) is not is_kept


def test_the_size_of_saved_forms_is_limited(dana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Client()
    monkeypatch.setattr(
        typed, "SAVED_FORMS_PER_PERSON", Limit(name="few", tries=2, window_s=600, message="")
    )

    long = browser.post(NEW, {typed.FIELD: mark_of(dana), "other": "x" * 30_000}, headers=OURS)
    said = browser.get(long["Location"]).content.decode()
    second = Client().post(NEW, {typed.FIELD: mark_of(dana), "other": "x"}, headers=OURS)
    third = Client().post(NEW, {typed.FIELD: mark_of(dana), "other": "x"}, headers=OURS)

    assert "What you typed was too long to save. Nothing was sent." in said
    assert len(str(dict(browser.session))) < 500
    assert second["Location"] == f"/sign-in?next={NEW}"
    assert "undone" in third["Location"]


def test_an_expired_session_says_why_without_its_cookie(dana: User) -> None:
    browser = Client()
    mark = signing.dumps([str(dana.pk), NEW, 1], salt=typed._SALT)

    answer = browser.post(NEW, {typed.FIELD: mark, "other": "203.0.113.7"}, headers=OURS)
    said = html.unescape(browser.get(answer["Location"]).content.decode())

    assert "because you signed in too long ago. Sign in; what you typed is saved." in said


def test_a_second_tab_keeps_its_own_form(
    dana: User, shop: ProtectedResource, acme: Organization, client_of: ClientOf
) -> None:
    """Signing in changes the CSRF token, so an older form is refused: it opens again unchanged."""
    client = client_of(dana)
    browser = Client(enforce_csrf_checks=True)
    browser.cookies = client.cookies
    own = hidden(browser.get(NEW).content.decode())
    stale = {**own, "csrfmiddlewaretoken": "x" * 64, "other": "203.0.113.7"}

    answer = browser.post(NEW, stale, headers=OURS)
    shown = browser.get(answer["Location"]).content.decode()
    without_mark = browser.post(NEW, {"csrfmiddlewaretoken": "x" * 64}, headers=OURS)

    assert answer["Location"] == NEW
    assert "203.0.113.7" in filled(shown)
    assert MitigationRequest.objects.count() == 0
    assert without_mark.status_code == 403


def test_an_action_button_returns_to_its_page_and_says_that_nothing_was_done(
    dana: User, live: MitigationRequest, client_of: ClientOf
) -> None:
    """The URLs of many buttons accept no GET, so a redirect there would lead to an error page."""
    page = live.get_absolute_url()
    for action in ("ask", "efficacy", "acknowledge", "terminate"):
        path = f"{page}/mitigations/ask" if action == "ask" else f"{page}/{action}"

        answer = Client().post(path, headers={"referer": f"http://testserver{page}?span=all"})
        said = Client().get(answer["Location"]).content.decode()

        assert hidden(said)["next"] == f"{page}?span=all"
        assert typed.UNDONE in said
        assert client_of(dana).get(hidden(said)["next"]).status_code == 200
        elsewhere = Client().post(path, headers={"referer": "https://evil.example/x"})
        assert "next=%2F&" in elsewhere["Location"]
