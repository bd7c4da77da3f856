"""The rows that a life begins with: one organization and its subscriptions."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.core import secrets
from portal.organizations.models import (
    Membership,
    Organization,
    ProtectedResource,
    ResourceKind,
    Role,
)
from portal.providers.models import Provider, Subscription, Transport
from tests.simulation.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Rows:
    organization: Organization
    alice: Actor
    hosts: dict[str, str]
    "address by name of the provider"
    clients: dict[str, str]
    "how each provider knows the client"
    subscriptions: dict[str, Subscription]


def make_rows(scenario: Scenario) -> Rows:
    organization = Organization.objects.create(
        slug="acme",
        name="Acme",
        patience_s=scenario.patience_s,
        late_acceptance=scenario.late_acceptance,
    )
    user = User.objects.create(username="alice")
    Membership.objects.create(user=user, organization=organization, role=Role.ADMIN)
    ProtectedResource.objects.create(
        organization=organization,
        name="Shop",
        kind=ResourceKind.PREFIX,
        value="203.0.113.0/24",
        verified_at=timezone.now(),
    )
    hosts, clients, subscriptions = {}, {}, {}
    key = secrets.encrypt(b"a key that nobody uses")
    for number, name in enumerate(scenario.providers, start=1):
        hosts[name] = f"192.0.2.{100 + number}"
        provider = Provider.objects.create(
            name=name,
            short_name=name,
            phone="+1 555 0100",
            host=hosts[name],
            server_name=f"{name}.example",
            transports=(Transport.DTLS,),
            trust_anchors=f"anchors of {name}",
        )
        clients[name] = f"acme at {name}"
        subscriptions[name] = Subscription.objects.create(
            organization=organization,
            provider=provider,
            priority=number,
            cuid=f"{number:022d}",
            certificate_chain=clients[name],
            private_key=key,
        )
    return Rows(organization, Actor.person(user), hosts, clients, subscriptions)
