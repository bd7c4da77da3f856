"""An open page asks whether its session continues, and leaves what was typed if it does not."""

from __future__ import annotations

import html

import pytest
from django.test import Client

from portal.accounts import services
from portal.accounts.models import BrowserSession, User
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import ProtectedResource
from portal.providers.models import Subscription
from tests.conftest import ClientOf
from tests.portal.web.test_signed_out import OURS, hidden, signs_in

ASK = "/signed-in"
FORM = "/organizations/acme/requests/new"
SCRIPT = "js/signed_out"


def test_the_answer_says_only_whether_the_session_continues(
    dana: User, client_of: ClientOf
) -> None:
    browser = client_of(dana)
    seen = BrowserSession.objects.get().last_seen_at

    open_ = browser.head(ASK)
    services.end_access(user=dana)
    over = browser.head(ASK)

    assert (open_.status_code, open_.content) == (204, b"")
    assert BrowserSession.objects.filter(last_seen_at__gt=seen).count() == 0
    assert (over.status_code, over["Location"]) == (302, f"/sign-in?next={ASK}")


def test_a_typed_form_waits_for_the_same_person(
    dana: User, client_of: ClientOf, shop: ProtectedResource, acme_northgate: Subscription
) -> None:
    browser = client_of(dana)
    form = hidden(browser.get(FORM).content.decode())
    services.end_access(user=dana)

    left = browser.post(ASK, {**form, "other": "203.0.113.9/32", "name": "Typed"}, headers=OURS)
    page = html.unescape(browser.get(left["Location"]).content.decode())

    assert "what you typed is saved" in page
    assert signs_in(browser, "dana", hidden(page)["next"]) == FORM
    assert "203.0.113.9/32" in browser.get(FORM).content.decode()
    assert not MitigationRequest.objects.exists()


def test_a_form_of_a_live_session_does_nothing(
    dana: User, client_of: ClientOf, shop: ProtectedResource, acme_northgate: Subscription
) -> None:
    browser = client_of(dana)
    form = hidden(browser.get(FORM).content.decode())

    answer = browser.post(ASK, {**form, "other": "203.0.113.9/32"}, headers=OURS)

    assert answer.status_code == 204
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize(
    "path", ["/organizations/acme/", "/organizations/acme/requests", "/me/profile", "/me/tokens"]
)
def test_every_page_of_a_person_leaves_when_its_session_is_over(
    dana: User, client_of: ClientOf, path: str
) -> None:
    assert SCRIPT in client_of(dana).get(path).content.decode()


def test_pages_of_staff_leave_too_and_the_sign_in_page_does_not_ask(
    mo: User, client_of: ClientOf
) -> None:
    assert SCRIPT in client_of(mo).get("/portal/organizations/").content.decode()
    assert SCRIPT not in Client().get("/sign-in").content.decode()
