"""Every route, and the answer to each of the cast. A missing route fails a test.

charlie is an admin, but of another organization; bob is a viewer, dana an operator, alice an admin.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import copy, deepcopy
from typing import Any, Final
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.inventory import services as inventory
from portal.inventory.models import UnknownMitigation
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.validation import Submission
from portal.organizations import invitations
from portal.organizations.models import Invitation, Organization, ProtectedResource, Role
from portal.providers.models import Subscription
from portal.standby import services as standby
from portal.standby.models import StandbyPlan
from tests.conftest import ClientOf, HalfSignedIn, undone
from tests.portal.inventory.conftest import reported

PEOPLE: Final = ("anonymous", "charlie", "bob", "dana", "alice")

# fmt: off
API: Final = [
    # method, route                   anonymous charlie bob dana alice
    ("GET",    "api:me",                   401, 200, 200, 200, 200),
    ("DELETE", "api:token",                401, 401, 401, 401, 401),
    ("POST",   "api:token",                400, 400, 400, 400, 400),
    # a wrong code
    ("POST",   "api:step-up",              401, 400, 400, 400, 400),
    ("POST",   "api:organizations",        401, 403, 403, 403, 403),
    # a link that does not exist
    ("POST",   "api:accept-invitation",    410, 410, 410, 410, 410),
    ("GET",    "api:members",              401, 404, 200, 200, 200),
    ("PATCH",  "api:member",               401, 404, 403, 403, 200),
    # bob may leave
    ("DELETE", "api:member",               401, 404, 204, 403, 204),
    # there is no second admin, and so no reset
    ("POST",   "api:lost-phone",           401, 404, 403, 403, 409),
    ("DELETE", "api:lost-phone",           401, 404, 404, 403, 404),
    ("POST",   "api:confirm-lost-phone",   401, 404, 403, 403, 404),
    ("GET",    "api:invitations",          401, 404, 403, 403, 200),
    ("POST",   "api:invitations",          401, 404, 403, 403, 201),
    ("DELETE", "api:invitation",           401, 404, 403, 403, 204),
    ("POST",   "api:send-again",           401, 404, 403, 403, 200),
    ("GET",    "api:resources",            401, 404, 200, 200, 200),
    ("POST",   "api:resources",            401, 404, 403, 201, 201),
    ("GET",    "api:resource",             401, 404, 200, 200, 200),
    ("PATCH",  "api:resource",             401, 404, 403, 200, 200),
    ("DELETE", "api:resource",             401, 404, 403, 403, 409),
    ("GET",    "api:proofs",               401, 404, 200, 200, 200),
    ("POST",   "api:proofs",               401, 404, 403, 202, 202),
    ("GET",    "api:subscriptions",        401, 404, 200, 200, 200),
    ("GET",    "api:readiness",            401, 404, 200, 200, 200),
    ("GET",    "api:events",               401, 404, 200, 200, 200),
    ("GET",    "api:audit",                401, 404, 403, 403, 200),
    ("GET",    "api:audit-export",         401, 404, 403, 403, 200),
    ("GET",    "api:requests",             401, 404, 200, 200, 200),
    ("POST",   "api:requests",             401, 404, 403, 202, 202),
    ("POST",   "api:preview",              401, 404, 403, 200, 200),
    ("GET",    "api:request",              401, 404, 200, 200, 200),
    ("POST",   "api:terminate",            401, 404, 403, 202, 202),
    ("POST",   "api:extend",               401, 404, 403, 202, 202),
    ("POST",   "api:extend-preview",       401, 404, 403, 200, 200),
    ("POST",   "api:efficacy",             401, 404, 403, 409, 409),
    ("POST",   "api:ask",                  401, 404, 403, 409, 409),
    ("POST",   "api:withdraw",             401, 404, 403, 409, 409),
    ("POST",   "api:eligibility",          401, 404, 403, 200, 200),
    ("POST",   "api:acknowledge",          401, 404, 403, 409, 409),
    ("POST",   "api:acknowledge-all",      401, 404, 403, 200, 200),
    ("GET",    "api:wire",                 401, 404, 403, 200, 200),
    ("GET",    "api:unknown-mitigations",  401, 404, 200, 200, 200),
    ("GET",    "api:unknown-mitigation",   401, 404, 200, 200, 200),
    ("POST",   "api:adopt-unknown",        401, 404, 403, 202, 202),
    ("POST",   "api:withdraw-unknown",     401, 404, 403, 202, 202),
    ("GET",    "api:standby-plans",        401, 404, 200, 200, 200),
    ("POST",   "api:standby-plans",        401, 404, 403, 201, 201),
    ("GET",    "api:standby-plan",         401, 404, 200, 200, 200),
    ("PATCH",  "api:standby-plan",         401, 404, 403, 202, 202),
    ("DELETE", "api:standby-plan",         401, 404, 403, 204, 204),
    ("POST",   "api:activate-plan",        401, 404, 403, 202, 202),
    ("POST",   "api:stop-plan",            401, 404, 403, 202, 202),
    ("GET",    "api:drills",               401, 404, 200, 200, 200),
    # something is live
    ("POST",   "api:drills",               401, 404, 403, 409, 409),
    ("GET",    "api:schema",               200, 200, 200, 200, 200),
    ("GET",    "api:docs",                 200, 200, 200, 200, 200),
    ("GET",    "api:no-such-call",         404, 404, 404, 404, 404),
]
PAGES: Final = [
    # 302 redirects anonymous to the sign-in, and the others from the staff site to its refusal
    ("GET",    "accounts:sign-in",         200, 302, 302, 302, 302),
    ("GET",    "accounts:code",            302, 302, 302, 302, 302),
    ("GET",    "accounts:enrol",           302, 302, 302, 302, 302),
    ("GET",    "accounts:recovery-codes",  302, 302, 302, 302, 302),
    ("POST",   "accounts:sign-out",        302, 302, 302, 302, 302),
    ("GET",    "accounts:sign-out",        405, 405, 405, 405, 405),
    ("GET",    "now:home",         302, 302, 302, 302, 302),
    ("GET",    "now:now",          302, 404, 200, 200, 200),
    ("GET",    "requests:requests",     302, 404, 200, 200, 200),
    ("GET",    "requests:new",          302, 404, 403, 200, 200),
    ("POST",   "requests:new",          302, 404, 403, 302, 302),
    ("GET",    "requests:request",      302, 404, 200, 200, 200),
    ("GET",    "requests:report",       302, 404, 200, 200, 200),
    ("GET",    "requests:report-text",  302, 404, 200, 200, 200),
    ("GET",    "requests:terminate",    302, 404, 403, 200, 200),
    ("POST",   "requests:terminate",    302, 404, 403, 302, 302),
    ("GET",    "requests:ask",          302, 405, 405, 405, 405),
    ("POST",   "requests:ask",          302, 404, 403, 302, 302),
    ("GET",    "requests:withdraw",     302, 404, 403, 302, 302),
    ("POST",   "requests:withdraw",     302, 404, 403, 302, 302),
    ("GET",    "requests:extend",       302, 405, 405, 405, 405),
    ("POST",   "requests:extend",       302, 404, 403, 302, 302),
    ("GET",    "requests:efficacy",     302, 405, 405, 405, 405),
    ("POST",   "requests:efficacy",     302, 404, 403, 302, 302),
    ("GET",    "requests:acknowledge",  302, 405, 405, 405, 405),
    ("POST",   "requests:acknowledge",  302, 404, 403, 302, 302),
    ("GET",    "requests:acknowledge-all", 302, 405, 405, 405, 405),
    ("POST",   "requests:acknowledge-all", 302, 404, 403, 302, 302),
    ("GET",    "unknown:adopt",          302, 405, 405, 405, 405),
    ("POST",   "unknown:adopt",          302, 404, 403, 302, 302),
    ("GET",    "unknown:withdraw",       302, 404, 403, 200, 200),
    ("POST",   "unknown:withdraw",       302, 404, 403, 302, 302),
    ("GET",    "requests:preview",          302, 404, 403, 302, 302),
    ("POST",   "requests:preview",          302, 404, 403, 200, 200),
    ("GET",    "requests:extension",        302, 404, 403, 200, 200),
    ("GET",    "journal:journal",             302, 404, 403, 200, 200),
    ("GET",    "journal:download",            302, 404, 403, 200, 200),
    ("GET",    "audit:audit",              302, 404, 403, 403, 200),
    ("GET",    "audit:download",           302, 404, 403, 403, 200),
    ("GET",    "audit:mail",               302, 405, 405, 405, 405),
    ("POST",   "audit:mail",               302, 404, 403, 403, 302),
    ("GET",    "readiness:readiness",      302, 404, 200, 200, 200),
    ("GET",    "readiness:drills",         302, 404, 200, 200, 200),
    ("POST",   "readiness:drills",         302, 404, 403, 302, 302),
    ("GET",    "standby:standby",          302, 404, 200, 200, 200),
    ("GET",    "standby:new",              302, 404, 403, 200, 200),
    ("POST",   "standby:new",              302, 404, 403, 302, 302),
    ("GET",    "standby:plan",             302, 404, 200, 200, 200),
    ("GET",    "standby:edit",             302, 404, 403, 200, 200),
    ("POST",   "standby:edit",             302, 404, 403, 302, 302),
    ("GET",    "standby:activate",         302, 404, 403, 200, 200),
    ("POST",   "standby:activate",         302, 404, 403, 302, 302),
    ("GET",    "standby:stop",             302, 404, 403, 302, 302),
    ("POST",   "standby:stop",             302, 404, 403, 302, 302),
    ("POST",   "standby:ask",              302, 404, 403, 302, 302),
    ("POST",   "standby:turn-on",          302, 404, 403, 302, 302),
    ("POST",   "standby:turn-off",         302, 404, 403, 302, 302),
    ("POST",   "standby:remove",           302, 404, 403, 302, 302),
    ("GET",    "resources:resources",      302, 404, 200, 200, 200),
    ("POST",   "resources:resources",      302, 404, 403, 302, 302),
    ("GET",    "resources:resource",       302, 404, 200, 200, 200),
    ("GET",    "resources:check",          302, 405, 405, 405, 405),
    ("POST",   "resources:check",          302, 404, 403, 302, 302),
    ("GET",    "resources:rename",         302, 405, 405, 405, 405),
    ("POST",   "resources:rename",         302, 404, 403, 302, 302),
    ("GET",    "resources:remove",         302, 404, 403, 403, 200),
    ("POST",   "resources:remove",         302, 404, 403, 403, 302),
    ("GET",    "settings:start",           302, 404, 200, 200, 200),
    ("GET",    "settings:members",         302, 404, 200, 200, 200),
    ("POST",   "settings:members",         302, 404, 403, 403, 302),
    ("POST",   "settings:role",            302, 404, 403, 403, 302),
    ("GET",    "settings:remove",          302, 404, 200, 403, 200),
    ("POST",   "settings:remove",          302, 404, 302, 403, 302),
    ("GET",    "settings:lost-phone",      302, 404, 403, 403, 200),
    ("POST",   "settings:lost-phone",      302, 404, 403, 403, 409),
    ("POST",   "settings:confirm-lost-phone", 302, 404, 403, 403, 404),
    ("POST",   "settings:cancel-lost-phone",  302, 404, 302, 403, 302),
    ("POST",   "settings:send-again",      302, 404, 403, 403, 302),
    ("POST",   "settings:revoke",          302, 404, 403, 403, 302),
    ("GET",    "invitations:invitation",   410, 410, 410, 410, 410),
    ("POST",   "invitations:invitation",   410, 410, 410, 410, 410),
    ("GET",    "staff-pages:organizations", 302, 403, 403, 403, 403),
    ("GET",    "staff-pages:new",          302, 403, 403, 403, 403),
    ("POST",   "staff-pages:new",          302, 403, 403, 403, 403),
    ("GET",    "staff-pages:organization", 302, 403, 403, 403, 403),
    ("POST",   "staff-pages:organization", 302, 403, 403, 403, 403),
    ("POST",   "staff-pages:revoke",       302, 403, 403, 403, 403),
    ("GET",    "staff:index",              302, 302, 302, 302, 302),
    ("GET",    "staff:organizations_organization_changelist", 302, 302, 302, 302, 302),
    ("GET",    "staff:providers_subscription_changelist",     302, 302, 302, 302, 302),
]
# fmt: on

BODIES: Final[dict[str, dict[str, Any]]] = {
    "api:acknowledge": {"ended_at": "2026-11-28T03:12:00Z"},
    "api:acknowledge-all": {"ends": []},
    "api:step-up": {"otp": "000000"},
    "api:accept-invitation": {"token": "x"},
    "api:member": {"role": "operator"},
    "api:lost-phone": {"reason": "called back at a known number"},
    "api:invitations": {"email": "eve@example.com", "role": "viewer"},
    "settings:members": {"email": "eve@example.com", "role": "viewer"},
    "settings:role": {"role": "operator"},
    "settings:lost-phone": {"reason": "called back at a known number"},
    "api:resources": {"name": "New", "kind": "prefix", "value": "198.51.100.0/24"},
    "api:resource": {"name": "Renamed"},
    "api:proofs": {"method": "dns"},
    "api:requests": {"targets": {"prefixes": ["203.0.113.8/32"]}},
    "api:eligibility": {"targets": {"prefixes": ["203.0.113.8/32"]}},
    "api:extend": {"lifetime": 7200},
    "api:extend-preview": {"lifetime": 7200},
    "api:efficacy": {"attack_status": "under-attack"},
    "api:preview": {"targets": {"prefixes": ["203.0.113.8/32"]}},
    "requests:preview": {"other": "203.0.113.8/32"},
    "api:standby-plans": {"name": "New", "targets": {"prefixes": ["203.0.113.16/32"]}},
    "api:standby-plan": {"name": "Renamed"},
    "standby:new": {"name": "New", "other": "203.0.113.16/32"},
    "standby:edit": {"name": "Renamed", "other": "203.0.113.32/27"},
    "resources:resources": {"name": "New", "value": "198.51.100.0/24"},
    "resources:check": {"method": "dns"},
    "resources:rename": {"name": "Renamed"},
    "requests:new": {"other": "203.0.113.8/32", "targets": "203.0.113.8/32"},
    "requests:extend": {"lifetime": "7200"},
    "requests:efficacy": {"attack_status": "under-attack"},
}

EXEMPT: Final = {
    "staff": "Django's own pages: each asks StaffSite.has_permission first, as the rows above show",
}


@pytest.fixture
def asked(
    alice: User,
    bob: User,
    dana: User,
    acme: Organization,
    shop: ProtectedResource,
    acme_northgate: Subscription,
) -> MitigationRequest:
    invitations.invite(
        organization=acme,
        actor=Actor.person(alice),
        email="erin@example.com",
        role=Role.VIEWER,
        origin="https://portal.example",
    )
    standby.create_plan(
        organization=acme,
        actor=Actor.person(dana),
        name="Shop, full flood",
        submission=Submission(prefixes=("203.0.113.32/27",)),
    )
    inventory.record_inventory(
        subscription_id=acme_northgate.pk, cuid="ours", unknown=[reported(41, "203.0.113.24/29")],
        answered_mids=[], refusal="",
        now=timezone.now(),
    )  # fmt: skip
    return services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )


@pytest.fixture
def browsers(
    charlie: User, bob: User, dana: User, alice: User, client_of: ClientOf
) -> dict[str, Client]:
    signed_in = {user.username: client_of(user) for user in (charlie, bob, dana, alice)}
    return {"anonymous": Client(), **signed_in}


def url_of(route: str, request_id: UUID) -> str:
    if route == "api:no-such-call":
        return "/api/v1/no-such-call"
    mitigation = Mitigation.objects.get(request=request_id)
    wanted: dict[str, object] = {
        "slug": "acme",
        "request_id": request_id,
        "mitigation_id": mitigation.pk,
        "unknown_id": UnknownMitigation.objects.values_list("pk", flat=True).first(),
        "resource_id": ProtectedResource.objects.filter(organization__slug="acme")
        .values_list("pk", flat=True)
        .first(),
        "member_id": User.objects.values_list("pk", flat=True).get(username="bob"),
        "invitation_id": Invitation.objects.values_list("pk", flat=True).first(),
        "token": "not-a-link-that-was-sent",
        "plan_id": StandbyPlan.objects.values_list("pk", flat=True).first(),
    }
    [pattern] = [pattern for name, pattern in named_routes() if name == route]
    return reverse(route, kwargs={key: wanted[key] for key in pattern.pattern.converters})


def named_routes() -> Iterator[tuple[str, URLPattern]]:
    def walk(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                yield from walk(
                    entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                )
            else:
                yield f"{namespace}{entry.name}", entry

    yield from walk(get_resolver(), "")


def call(browser: Client, method: str, route: str, url: str) -> Any:
    body = BODIES.get(route, {})
    if route.startswith("api:"):
        text = json.dumps(body) if method in ("POST", "PATCH") else ""
        return browser.generic(method, url, text, content_type="application/json")
    return browser.post(url, body) if method == "POST" else browser.get(url)


@pytest.mark.timeout(600)  # for 300 calls on a busy machine: ten seconds otherwise
@pytest.mark.parametrize("table", [API, PAGES], ids=["api", "pages"])
def test_every_role_gets_the_expected_answer(
    browsers: dict[str, Client], asked: MitigationRequest, table: list[tuple[Any, ...]]
) -> None:
    wrong: list[str] = []
    for method, route, *answers in table:
        url = url_of(route, asked.pk)
        for person, expected in zip(PEOPLE, answers, strict=True):
            browser = copy(browsers[person])
            # A call may end its session.
            browser.cookies = deepcopy(browser.cookies)
            with undone():
                answer = call(browser, method, route, url)
            who = f"{person}: {method} {route} got {answer.status_code}"
            if answer.status_code != expected:
                wrong.append(f"{who} instead of {expected}")
            elif person == "anonymous" and expected == 302:
                if not answer["Location"].startswith("/sign-in"):
                    wrong.append(f"{who} to {answer['Location']}")
            elif person == "charlie" and expected in (403, 404):
                page = answer.content.decode()
                wrong += [f"{who} with {word}" for word in (str(asked.pk), "Acme") if word in page]

    assert wrong == []


def test_every_named_route_is_in_the_table() -> None:
    listed = {route for _, route, *_ in [*API, *PAGES]}
    named = {name for name, _ in named_routes() if name.partition(":")[0] not in EXEMPT}

    assert named <= listed


def test_a_session_without_a_second_factor_opens_no_page(
    alice: User, asked: MitigationRequest, half_signed_in: HalfSignedIn
) -> None:
    browser = half_signed_in(alice)

    for name, _ in named_routes():
        if name.startswith("requests:"):
            answer = browser.get(url_of(name, asked.pk))
            assert (answer.status_code, answer["Location"]) == (302, "/sign-in/code"), name


def test_every_changing_route_refuses_other_sites(
    alice: User, asked: MitigationRequest, client_of: ClientOf
) -> None:
    browser = client_of(alice)
    browser.handler.enforce_csrf_checks = True

    for method, route, *_ in [*API, *PAGES]:
        if method == "POST" and route != "api:token":
            assert browser.post(url_of(route, asked.pk)).status_code == 403, route
