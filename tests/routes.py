"""Every named route, a URL of it, and a body that its call accepts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from portal.accounts import services as accounts
from portal.accounts.actors import Actor
from portal.accounts.models import ApiToken, Authenticator, User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import (
    AlertEndpoint,
    AlertPayload,
    AlertProposal,
    Incident,
    ProposedAct,
)
from portal.alerts.services import endpoints as alert_endpoints
from portal.core.targets import Targets
from portal.inventory import services as inventory
from portal.inventory.models import UnknownMitigation
from portal.mitigations import services
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.validation import Submission
from portal.notifications.channels.models import ChannelValue, NoticeChannel
from portal.notifications.channels.services.change import ChannelDraft, add_channel
from portal.organizations import invitations
from portal.organizations.models import (
    Invitation,
    Organization,
    ProtectedResource,
    Role,
    ServiceToken,
)
from portal.providers.models import Provider, Subscription
from portal.sso.models import EmailDomain
from portal.sso.services import Setup, configure
from portal.standby import services as standby
from portal.standby.models import StandbyPlan
from tests.factories import ServiceTokenFactory
from tests.portal.inventory.conftest import reported

SINGLE_SIGN_ON: Final = {
    "issuer": "https://127.0.0.1:1",
    "client_id": "portal",
    "client_secret": "secret",
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "api:alert-endpoints": {"name": "New", "source": "plain"},
    "api:alert-endpoint": {"name": "Renamed"},
    "api:alert-endpoint-policy": {
        "mode": "watch",
        "min_severity": 3,
        "prefixes": ["203.0.113.0/26"],
        "largest_v4": 32,
        "largest_v6": 128,
        "from_hour": 0,
        "to_hour": 24,
        "max_per_hour": 3,
        "hold_down_s": 300,
        "terminates": False,
    },
    "alerts:new-endpoint": {"name": "New", "source": "plain"},
    "alerts:endpoint": {"name": "Renamed"},
    "api:channels": {
        "kind": "webhook",
        "name": "New",
        "values": {"url": "https://example.com/hook"},
    },
    "api:channel": {"name": "Renamed", "values": {"url": "https://example.com/hook"}},
    "channels:new-channel": {
        "kind": "webhook",
        "name": "New",
        "value_url": "https://example.com/hook",
        "min_severity": "info",
        "notice_kinds": "request.refused",
    },
    "channels:channel": {
        "name": "Renamed",
        "value_url": "https://example.com/hook",
        "min_severity": "info",
        "notice_kinds": "request.refused",
    },
    "api:my-push-devices": {
        "name": "Phone",
        "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
        "keys": {"p256dh": "x", "auth": "x"},
    },
    "api:dismiss-proposal": {"reason": "A load test"},
    "alerts:dismiss": {"reason": "A load test"},
    "api:acknowledge": {"ended_at": "2026-11-28T03:12:00Z"},
    "api:acknowledge-all": {"ends": []},
    "api:decline": {"reason": "a drill is on"},
    "api:break-glass": {"reason": "nobody answers the phone"},
    "approvals:decline": {"reason": "a drill is on"},
    "approvals:break-glass": {"reason": "nobody answers the phone"},
    "api:step-up": {"otp": "000000"},
    "api:accept-invitation": {"token": "x"},
    "api:member": {"role": "operator"},
    "api:lost-phone": {"reason": "called back at a known number"},
    "me:tokens": {"name": "script", "right": "read", "days": "90"},
    "settings:tokens": {"name": "script", "right": "viewer", "days": "90"},
    "api:my-tokens": {"name": "script", "scope": "read"},
    "api:my-email": {"email": "new@example.com"},
    "api:confirm-my-email": {"token": "not-a-link-that-was-sent"},
    "api:my-factors": {"name": "Tablet", "code": "000000", "setup": "x"},
    "api:service-tokens": {"name": "script", "role": "viewer"},
    "api:invitations": {"email": "eve@example.com", "role": "viewer"},
    "api:me": {"display_name": "Alice"},
    "api:my-password": {"current_password": "wrong", "new_password": "another staple altogether"},
    "api:my-factor": {"name": "Old phone"},
    "me:email": {"email": "new@example.com"},
    "me:rename-factor": {"name": "Old phone"},
    "accounts:forgot-password": {"typed": "alice"},
    "settings:members": {"email": "eve@example.com", "role": "viewer"},
    "settings:role": {"role": "operator"},
    "settings:lost-phone": {"reason": "called back at a known number"},
    "api:single-sign-on": SINGLE_SIGN_ON | {"domains": ["acme.example"]},
    "settings:single-sign-on": SINGLE_SIGN_ON,
    "api:policy": {
        "default_lifetime": 3600,
        "max_lifetime": 7200,
        "may_be_indefinite": False,
        "shortest_prefix_v4": 24,
        "shortest_prefix_v6": None,
        "patience": 10,
        "late_acceptance": "keep",
        "max_live_requests": 100,
        "max_live_requests_per_person": 20,
        "approval": "all",
        "approval_prefix_v4": 24,
        "approval_prefix_v6": 48,
        "approval_wait": 1800,
    },
    "api:organization-name": {"name": "Acme Networks"},
    "api:closing": {"reason": "The contract has ended"},
    "staff-pages:rename": {"name": "Acme Networks"},
    "staff-pages:close": {"reason": "The contract has ended"},
    "api:admins": {"email": "i@example.com"},
    "api:remove-admin": {"reason": "They left the company"},
    "api:live-limit": {"max_live_requests": 200},
    "staff-pages:limit": {"limit": "200"},
    "staff-pages:remove-admin": {"reason": "They left the company"},
    "api:colleague": {"role": "support"},
    "api:staff-lost-phone": {"reason": "called back at a known number"},
    "api:staff-invitations": {"email": "i@example.com", "role": "support"},
    "api:accept-staff-invitation": {"token": "x"},
    "staff-people:people": {"email": "i@example.com", "role": "support"},
    "staff-people:role": {"role": "support"},
    "staff-people:lost-phone": {"reason": "called back at a known number"},
    "api:acting": {"reason": "Their admin called about a form"},
    "api:suspension": {"reason": "Unpaid for three months"},
    "api:refuse-claim": {"reason": "RIPE names another holder"},
    "staff-pages:refuse": {"reason": "RIPE names another holder"},
    "staff-pages:act": {"reason": "Their admin called about a form"},
    "staff-pages:suspend": {"reason": "Unpaid for three months"},
    "staff-pages:new": {"name": "Initech", "admin_email": "i@example.com", "preset": "standard"},
    "staff-pages:organization": {"email": "i@example.com"},
    "api:organizations": {"name": "Initech", "admin_email": "i@example.com"},
    "api:resources": {"name": "New", "kind": "prefix", "value": "198.51.100.0/24"},
    "api:resource": {"name": "Renamed"},
    "api:subscription": {"enabled": False},
    "api:service-levels": {
        "accept_within": 10,
        "filter_within": 60,
        "stop_within": None,
        "availability": 99.9,
    },
    "scorecard:levels": {"accept_within_s": "10", "availability": "99.9"},
    "api:proofs": {"method": "dns"},
    "api:requests": {"targets": {"prefixes": ["203.0.113.8/32"]}},
    "api:eligibility": {"targets": {"prefixes": ["203.0.113.8/32"]}},
    "api:notes": {"text": "watch port 443"},
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
    "requests:notes": {"text": "watch port 443"},
    "requests:extend": {"lifetime": "7200"},
    "requests:efficacy": {"attack_status": "under-attack"},
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
    ServiceTokenFactory.create(organization=acme)
    accounts.issue_token(user=alice, device_name="phone")
    invitations.invite(
        organization=acme,
        actor=Actor.person(alice),
        email="erin@example.com",
        role=Role.VIEWER,
        origin="https://portal.example",
    )
    configure(
        organization=acme,
        setup=Setup(
            issuer=SINGLE_SIGN_ON["issuer"],
            client_id=SINGLE_SIGN_ON["client_id"],
            client_secret=SINGLE_SIGN_ON["client_secret"],
            domains=["acme.example"],
        ),
        actor=Actor.person(alice),
    )
    endpoint, _ = alert_endpoints.add_endpoint(
        organization=acme,
        actor=Actor.person(alice),
        wish=alert_endpoints.EndpointWish(name="Edge", source=AlertSource.PLAIN),
    )
    add_channel(
        organization=acme,
        actor=Actor.person(alice),
        kind="webhook",
        draft=ChannelDraft(name="Night shift", values={"url": "https://example.com/hook"}),
    )
    # Nothing is sent there, because it is not public.
    NoticeChannel.objects.update(values=(ChannelValue("url", "https://127.0.0.1:1/"),))
    incident = Incident.objects.create(
        organization=acme,
        began_at=timezone.now(),
        last_at=timezone.now(),
        targets=Targets.saved(prefixes=["203.0.113.60/32"]),
    )
    AlertProposal.objects.create(
        organization=acme,
        incident=incident,
        act=ProposedAct.MITIGATE,
        targets=incident.targets,
        made_at=timezone.now(),
    )
    AlertPayload.objects.create(
        organization=acme,
        endpoint=endpoint,
        received_at=timezone.now(),
        body=b"{}",
        is_waiting=False,
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
        # Only a recent report may be adopted, and on a busy machine all routes take minutes.
        now=timezone.now() + timedelta(minutes=10),
    )  # fmt: skip
    return services.submit(
        organization=acme,
        actor=Actor.person(dana),
        submission=Submission(prefixes=("203.0.113.7/32",)),
    )


def first_id(rows: QuerySet[Any]) -> Any:
    return rows.values_list("pk", flat=True).first()


VALUES: Final[dict[str, Callable[[UUID], Any]]] = {
    "slug": lambda _: "acme",
    "request_id": lambda request_id: request_id,
    "mitigation_id": lambda request_id: first_id(Mitigation.objects.filter(request=request_id)),
    "unknown_id": lambda _: first_id(UnknownMitigation.objects.all()),
    "resource_id": lambda _: first_id(ProtectedResource.objects.filter(organization__slug="acme")),
    "member_id": lambda _: User.objects.get(username="bob").pk,
    "invitation_id": lambda _: first_id(Invitation.objects.all()),
    "staff_id": lambda other: first_id(User.objects.filter(is_staff=True)) or other,
    "staff_invitation_id": lambda _: first_id(Invitation.objects.all()),
    "organization_id": lambda _: Organization.objects.get(slug="acme").pk,
    "domain_id": lambda _: first_id(EmailDomain.objects.all()),
    "kind": lambda _: "app",
    "factor_id": lambda _: Authenticator.objects.get(user__username="alice").pk,
    "session_id": lambda _: ApiToken.objects.get(user__username="alice", is_named=False).device_id,
    "token": lambda _: "not-a-link-that-was-sent",
    "subscription_id": lambda _: first_id(Subscription.objects.all()),
    "provider_id": lambda _: first_id(Provider.objects.all()),
    "endpoint_id": lambda _: first_id(AlertEndpoint.objects.all()),
    "device_id": lambda request_id: request_id,
    "channel_id": lambda _: first_id(NoticeChannel.objects.all()),
    "proposal_id": lambda _: first_id(AlertProposal.objects.all()),
    "payload_id": lambda _: first_id(AlertPayload.objects.all()),
    "token_id": lambda _: first_id(ServiceToken.objects.filter(organization__slug="acme")),
    "plan_id": lambda _: first_id(StandbyPlan.objects.all()),
}
"""What stands in the place of each name in a URL, of Acme and of this request."""


def url_of(route: str, request_id: UUID) -> str:
    if route == "api:no-such-call":
        return "/api/v1/no-such-call"
    [pattern] = [pattern for name, pattern in named_routes() if name == route]
    names = pattern.pattern.converters
    return reverse(route, kwargs={name: VALUES[name](request_id) for name in names})


@cache
def named_routes() -> list[tuple[str, URLPattern]]:
    """Every route by its name, as "requests:new"."""

    def walk(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                yield from walk(
                    entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                )
            else:
                yield f"{namespace}{entry.name}", entry

    return list(walk(get_resolver(), ""))


def call(browser: Client, method: str, route: str, url: str) -> Any:
    body = BODIES.get(route, {})
    if route.startswith("api:"):
        text = json.dumps(body) if method in ("POST", "PATCH", "PUT") else ""
        return browser.generic(method, url, text, content_type="application/json")
    return browser.post(url, body) if method == "POST" else browser.get(url)
