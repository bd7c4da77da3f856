"""Every door refuses the same input: pages and API, for requests, previews, plans, drills and
resources.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from portal.accounts.models import User
from portal.core.errors import Invalid
from portal.events.models import Event
from portal.mitigations.models import MitigationRequest
from portal.organizations import services
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription
from portal.standby.models import Drill, StandbyPlan
from tests.conftest import ApiOf, ClientOf
from tests.factories import ResourceFactory
from tests.portal.web.conftest import fixes_in, one_line

API = "/api/v1/organizations/acme"
PAGES = "/organizations/acme"
API_DOORS = [
    ("mitigation-requests", {}),
    ("mitigation-requests/preview", {}),
    ("mitigation-requests/eligibility", {}),
    ("standby-plans", {"name": "Plan"}),
]
PAGE_DOORS = ["requests/new", "requests/preview", "standby/new"]
MAPPED = str(ip_network("::ffff:203.0.113.0/120"))
TYPED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "ports": ({"ports": [{"lower": 80, "upper": 80}, {"lower": 80, "upper": 90}]},
    {"ports": "80,80-90"}),
    "mapped": ({"targets": {"prefixes": [MAPPED]}}, {"other": MAPPED}),
    "half of all": ({"targets": {"prefixes": ["0.0.0.0/1"]}}, {"other": "0.0.0.0/1"}),
    "tab": ({"targets": {"uris": ["https://203.0.113.9/a\tb"]}}, {"other": "https://203.0.113.9/\x01b"}),
    "range": ({"targets": {"prefixes": ["203.0.113.4-9"]}}, {"other": "203.0.113.4-9"}),
    "port": ({"targets": {"prefixes": ["203.0.113.4:443"]}}, {"other": "203.0.113.4:443"}),
    "punycode": ({"targets": {"uris": ["https://xn--a.example/"]}}, {"other": "https://xn--a.example/"}),
    "zone": ({"targets": {"uris": ["https://[fe80::1%25eth0]/"]}}, {"other": "https://[fe80::1%25eth0]/"}),
    "digits": ({"targets": {"prefixes": ["203.0.113.0/²"]}}, {"other": "203.0.113.0/²"}),
}  # fmt: skip


@pytest.fixture
def api(dana: User, api_of: ApiOf) -> APIClient:
    return api_of(dana)


@pytest.fixture
def browser(dana: User, client_of: ClientOf) -> Client:
    return client_of(dana)


@pytest.fixture(autouse=True)
def _prepared(
    shop: ProtectedResource, acme_northgate: Subscription, acme_tidewall: Subscription
) -> None:
    """Acme may protect 203.0.113.0/26 at two providers."""


@pytest.fixture
def old(acme: Organization) -> ProtectedResource:
    """A resource verified under older rules."""
    return ResourceFactory.create(organization=acme, name="Old office", value=MAPPED)


@pytest.mark.parametrize("wrong", TYPED)
@pytest.mark.parametrize(("door", "more"), API_DOORS, ids=[door for door, _ in API_DOORS])
def test_every_call_refuses_a_request_that_cannot_be_sent(
    api: APIClient, door: str, more: dict[str, Any], wrong: str
) -> None:
    body = {"targets": {"prefixes": ["203.0.113.9"]}, **TYPED[wrong][0], **more}

    answer = api.post(f"{API}/{door}", body, format="json")

    assert answer.status_code == 400, answer.content
    [error] = answer.json()["errors"]
    assert error["field"] in ("ports.1", "targets.prefixes.0", "targets.uris.0")
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize("wrong", TYPED)
@pytest.mark.parametrize("door", PAGE_DOORS)
def test_every_form_refuses_a_request_that_cannot_be_sent(
    browser: Client, shop: ProtectedResource, door: str, wrong: str
) -> None:
    typed = {"key": "k", "name": "Plan", "lifetime": "3600", "resources": [str(shop.pk)]}

    answer = browser.post(f"{PAGES}/{door}", {**typed, **TYPED[wrong][1]})

    assert answer.status_code == 400
    assert "Correct one thing." in answer.content.decode()
    assert not MitigationRequest.objects.exists()


@pytest.mark.parametrize("wrong", [wrong for wrong in TYPED if wrong != "ports"])
def test_a_target_that_cannot_be_requested_cannot_become_a_resource(
    api: APIClient, wrong: str
) -> None:
    [(kinds, [value])] = TYPED[wrong][0]["targets"].items()
    kind = {"prefixes": "prefix", "uris": "uri"}[kinds]

    answer = api.post(
        f"{API}/resources", {"name": "New", "kind": kind, "value": value}, format="json"
    )

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["value"]


def test_fixing_a_port_range_corrects_the_form(browser: Client, shop: ProtectedResource) -> None:
    typed = {"key": "k", "lifetime": "3600", "resources": [str(shop.pk)], "ports": "443,80, 80-90"}
    page = browser.post(f"{PAGES}/requests/new", typed).content.decode()
    [(fix, label)] = fixes_in(page)

    fixed = browser.post(f"{PAGES}/requests/new", {**typed, "fix": fix})

    assert label == "Use 81–90"
    assert 'name="ports" type="text" value="443,80, 81–90"' in one_line(fixed.content.decode())


def test_a_fix_is_at_its_range_even_beside_an_unreadable_one(
    browser: Client, shop: ProtectedResource
) -> None:
    typed = {"key": "k", "lifetime": "3600", "resources": [str(shop.pk)], "ports": "htp, 443-80"}
    page = browser.post(f"{PAGES}/requests/new", typed).content.decode()

    assert "Correct two things." in page
    [(fix, label)] = fixes_in(page)
    fixed = browser.post(f"{PAGES}/requests/new", {**typed, "fix": fix}).content.decode()
    assert label == "Use 80–443"
    assert 'name="ports" type="text" value="htp, 80–443"' in one_line(fixed)


# a resource that was verified under older rules


@pytest.mark.parametrize(("door", "more"), API_DOORS, ids=[door for door, _ in API_DOORS])
def test_every_call_names_an_old_resource_with_the_reason(
    api: APIClient, old: ProtectedResource, door: str, more: dict[str, Any]
) -> None:
    body = {"targets": {"resources": [str(old.pk)]}, **more}

    answer = api.post(f"{API}/{door}", body, format="json")

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert error["field"] == "targets.resources.0"
    assert error["message"].startswith(f"Old office: {MAPPED} cannot be protected")


@pytest.mark.parametrize("door", PAGE_DOORS)
def test_every_form_names_an_old_resource_with_the_reason(
    browser: Client, old: ProtectedResource, door: str
) -> None:
    typed = {"key": "k", "name": "Plan", "lifetime": "3600", "resources": [str(old.pk)]}

    answer = browser.post(f"{PAGES}/{door}", typed)

    assert answer.status_code == 400
    assert f"Old office: {MAPPED} cannot be protected" in answer.content.decode()


def test_an_old_resource_is_listed_as_one_that_cannot_be_ticked(
    browser: Client, api: APIClient, old: ProtectedResource
) -> None:
    page = browser.get(f"{PAGES}/requests/new", {"resource": str(old.pk)}).content.decode()
    shown = {one["name"]: one for one in api.get(f"{API}/resources").json()["results"]}

    assert f'value="{old.pk}" disabled' in page
    assert "it is an IPv4 address written as IPv6" in page
    assert "it is an IPv4 address written as IPv6" in shown["Old office"]["problem"]
    assert shown["Shop front-end"]["problem"] == ""


def test_readiness_names_an_old_resource(browser: Client, old: ProtectedResource) -> None:
    page = browser.get(f"{PAGES}/readiness")

    assert page.status_code == 200
    assert "it is an IPv4 address written as IPv6" in page.content.decode()


def test_a_drill_uses_only_resources_that_can_be_requested(
    api: APIClient, old: ProtectedResource, shop: ProtectedResource
) -> None:
    assert api.post(f"{API}/drills").status_code == 202
    [scope] = {str(one.scope) for one in MitigationRequest.objects.all()}
    assert "203.0.113" in scope
    assert "ffff" not in scope

    Drill.objects.all().delete()
    MitigationRequest.objects.update(status="terminated")
    shop.delete()
    assert api.post(f"{API}/drills").json()["code"] == "nothing-to-test"


def test_a_plan_for_an_old_resource_is_not_activated_and_says_why(
    api: APIClient, browser: Client, acme: Organization, shop: ProtectedResource
) -> None:
    body = {"name": "Plan", "targets": {"resources": [str(shop.pk)]}}
    plan = api.post(f"{API}/standby-plans", body, format="json").json()["id"]
    ProtectedResource.objects.filter(pk=shop.pk).update(value=MAPPED)
    scope = {"prefixes": [MAPPED], "fqdns": [], "uris": []}
    MitigationRequest.objects.update(scope=scope)

    called = api.post(f"{API}/standby-plans/{plan}/activate")
    pressed = browser.post(f"{PAGES}/standby/{plan}/activate", {"key": "k"}, follow=True)

    assert called.status_code == 400
    assert called.json()["errors"][0]["field"] == "targets.resources.0"
    assert f"Shop front-end: {MAPPED} cannot be protected" in pressed.content.decode()
    assert StandbyPlan.objects.get().activation is None


def test_a_mitigation_that_cannot_be_sent_is_left_out_of_an_extension(
    api: APIClient, browser: Client
) -> None:
    body = {"targets": {"prefixes": ["203.0.113.9"]}}
    asked = api.post(f"{API}/mitigation-requests", body, format="json").json()["id"]
    request = MitigationRequest.objects.get()
    scope = {"prefixes": [MAPPED], "fqdns": [], "uris": []}
    request.mitigations.update(scope=scope)

    called = api.post(
        f"{API}/mitigation-requests/{asked}/extend/preview", {"lifetime": 7200}, format="json"
    )
    shown = browser.get(f"{PAGES}/requests/{asked}/extend/preview")

    assert (called.status_code, shown.status_code) == (200, 200)
    assert called.json()["messages"] == []
    assert called.json()["left_out"][0]["provider"] == "Northgate"


def test_staff_see_why_a_resource_cannot_be_verified(
    mo: User, acme: Organization, client_of: ClientOf, old: ProtectedResource
) -> None:
    ProtectedResource.objects.filter(pk=old.pk).update(verified_at=None)

    staff, url = client_of(mo), f"/portal/claims/{old.pk}/"

    read = staff.get(url).content.decode()
    page = staff.post(f"{url}verify", {"reason": "x"})

    old.refresh_from_db()
    assert old.verified_at is None
    assert "It cannot be verified." in read
    assert f"{url}verify" not in read
    assert page.status_code == 400
    with pytest.raises(Invalid):
        services.verify_resource(resource=old, actor=mo)


def test_the_user_name_and_password_of_a_uri_are_dropped_on_input(api: APIClient) -> None:
    body = {"targets": {"uris": ["https://me:secret@203.0.113.9/"]}}

    answer = api.post(f"{API}/mitigation-requests", body, format="json")

    assert answer.status_code == 202
    asked = MitigationRequest.objects.get()
    assert asked.scope.uris == ("https://203.0.113.9/",)
    kept = [*MitigationRequest.objects.values(), *Event.objects.values()]
    assert "secret" not in f"{kept}{answer.content!r}"


@pytest.mark.parametrize("is_verified", [True, False])
def test_a_resource_that_can_no_longer_be_read_breaks_no_page_and_no_call(
    browser: Client, api: APIClient, acme: Organization, is_verified: bool
) -> None:
    old = ResourceFactory.create(organization=acme, name="Old office", value="203.0.113.7/24")
    if not is_verified:
        ProtectedResource.objects.filter(pk=old.pk).update(verified_at=None)

    pages = [
        browser.get(f"{PAGES}/{page}") for page in ("", "readiness", "requests/new", "standby")
    ]
    calls = [api.get(f"{API}/{call}") for call in ("resources", "readiness", "subscriptions")]
    asked = api.post(
        f"{API}/mitigation-requests", {"targets": {"resources": [str(old.pk)]}}, format="json"
    )

    assert {answer.status_code for answer in (*pages, *calls)} == {200}
    shown = {one["name"]: one["problem"] for one in calls[0].json()["results"]}
    assert "203.0.113.7/24 is not a network address" in shown["Old office"]
    assert asked.status_code == 400
