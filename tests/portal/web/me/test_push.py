"""Notices in a browser: adding it on the tab "Notices", the list, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal.accounts import services, tasks
from portal.accounts.models import KnownDevice, User
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.notifications.channels.models import PushDevice
from portal.organizations import services as organizations
from portal.organizations.models import Organization
from tests.conftest import ApiOf, ClientOf
from tests.factories import PASSWORD, app_code
from tests.portal.notifications.channels.push_browser import Browser, new_key
from tests.portal.web.conftest import text_of
from tests.portal.web.me.test_sessions import FIREFOX, IPHONE, end_path, signed_in

PAGE = "/me/notices"
ADD = "/me/notices/devices"
API = "/api/v1/me/push-devices"
ENDPOINT = "https://updates.push.services.mozilla.com/wpush/v2/abc"


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.PORTAL_VAPID_KEYS = [new_key()]


def add(browser: Client, endpoint: str = ENDPOINT, **more: str) -> Any:
    keys = Browser(endpoint).body["keys"]
    return browser.post(ADD, {"endpoint": endpoint, **keys, **more}, follow=True)


def page_of(browser: Client) -> str:
    return text_of(browser.get(PAGE).content.decode())


def own(user: User) -> list[str]:
    return list(PushDevice.objects.filter(user=user).values_list("name", flat=True))


def test_a_browser_is_added_listed_and_stopped(alice: User) -> None:
    here = signed_in("alice", FIREFOX)

    answer = add(here)

    shown = text_of(answer.content.decode())
    assert "Firefox on Linux gets your notices." in shown
    assert "Firefox on Linux This browser" in shown
    assert "No notice yet. Stop in this browser" in shown
    device = PushDevice.objects.get()
    answer = here.post(f"{ADD}/{device.pk}/remove", follow=True)
    assert "Firefox on Linux gets no more notices." in text_of(answer.content.decode())
    assert own(alice) == []
    verbs = AuditEntry.objects.values_list("verb", flat=True)
    assert {Verb.PUSH_DEVICE_ADDED, Verb.PUSH_DEVICE_REMOVED} <= set(verbs)


def test_another_browser_of_the_person_is_removed_and_not_stopped(alice: User) -> None:
    add(signed_in("alice", IPHONE, step=-1))

    shown = page_of(signed_in("alice", FIREFOX))

    assert "Safari on an iPhone" in shown
    assert "Safari on an iPhone This browser" not in shown
    assert "Remove Safari on an iPhone" in shown


def test_no_one_sees_or_removes_the_browsers_of_others(
    alice: User, bob: User, charlie: User, client_of: ClientOf
) -> None:
    add(signed_in("alice", FIREFOX))
    device = PushDevice.objects.get()

    for other in (bob, charlie):
        browser = client_of(other)
        assert "Firefox" not in page_of(browser)
        assert browser.post(f"{ADD}/{device.pk}/remove").status_code == 404

    assert own(alice) == ["Firefox on Linux"]


def test_the_page_says_that_the_portal_offers_none(alice: User, settings: Any) -> None:
    settings.PORTAL_VAPID_KEYS = []
    here = signed_in("alice", FIREFOX)

    html = here.get(PAGE).content.decode()

    assert "does not offer notices in browsers" in text_of(html)
    assert "data-push " not in html
    assert add(here).status_code == 409


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"endpoint": "https://example.com/push"}, "This is no known push service."),
        ({"endpoint": ""}, ""),
        ({"p256dh": "x" * 5000}, "A point of P-256"),
        ({"auth": ""}, "16 bytes"),
    ],
)
def test_a_browser_whose_address_or_keys_cannot_work_is_not_added(
    alice: User, more: dict[str, str], says: str
) -> None:
    answer = add(signed_in("alice", FIREFOX), **more)

    shown = text_of(answer.content.decode())
    assert answer.status_code == 400
    assert f"This browser was not added. {says}" in shown
    assert "Notices about Acme" in shown
    assert own(alice) == []


def test_a_browser_that_got_another_address_is_listed_once(alice: User) -> None:
    here = signed_in("alice", FIREFOX)

    add(here)
    add(here, f"{ENDPOINT}/2")

    assert own(alice) == ["Firefox on Linux"]


def test_signing_out_ends_the_notices_of_this_browser_alone(alice: User, bob: User) -> None:
    add(signed_in("alice", IPHONE, step=-1))
    here = signed_in("alice", FIREFOX)
    add(here, f"{ENDPOINT}/2")
    add(signed_in("bob", FIREFOX), f"{ENDPOINT}/3")

    here.post("/sign-out")

    assert own(alice) == ["Safari on an iPhone"]
    assert own(bob) == ["Firefox on Linux"]


def test_a_later_session_of_the_browser_ends_them_too(alice: User) -> None:
    here = signed_in("alice", FIREFOX, step=-1)
    add(here)
    here.cookies.pop("sessionid")
    here.post("/sign-in", {"username": "alice", "password": PASSWORD})
    here.post("/sign-in/code", {"code": app_code()})
    assert "Firefox on Linux This browser" in page_of(here)

    here.post("/sign-out")

    assert own(alice) == []


def test_a_session_that_is_ended_from_elsewhere_ends_them(alice: User) -> None:
    add(signed_in("alice", IPHONE, step=-1))
    here = signed_in("alice", FIREFOX)

    here.post(end_path(alice, user_agent=IPHONE))

    assert own(alice) == []


def test_a_session_that_runs_out_ends_none(alice: User) -> None:
    """People want notices while they look at no page."""
    here = signed_in("alice", FIREFOX)
    add(here)

    Session.objects.update(expire_date=timezone.now() - timedelta(days=3))
    tasks.prune()

    assert page_of(here) == ""
    assert own(alice) == ["Firefox on Linux"]


def test_the_end_of_access_ends_all_of_them(
    acme: Organization, alice: User, dana: User, api_of: ApiOf
) -> None:
    body = Browser(f"{ENDPOINT}/2").body
    add(signed_in("dana", FIREFOX))
    assert api_of(dana).post(API, body, format="json").status_code == 201
    add(signed_in("alice", FIREFOX), f"{ENDPOINT}/3")

    organizations.remove_member(organization=acme, user=dana)

    assert (own(dana), own(alice)) == ([], ["Firefox on Linux"])
    services.end_access(user=alice)
    assert not PushDevice.objects.exists()


def test_a_browser_that_the_portal_forgets_gets_none(alice: User) -> None:
    add(signed_in("alice", FIREFOX))

    KnownDevice.objects.all().delete()

    assert own(alice) == []
