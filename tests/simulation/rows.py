"""The rows that a life begins with: organizations and their subscriptions."""

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
from tests.simulation.scenario import NETWORKS, Scenario, Tenant


@dataclass(frozen=True, slots=True)
class Rows:
    """`client` is how a provider knows a subscription, such as `acme at northgate`."""

    organizations: dict[str, Organization]
    people: dict[str, Actor]
    "an admin of each organization"
    hosts: dict[str, str]
    "address by name of the provider"
    subscriptions: dict[str, Subscription]
    "by client"

    def clients_of(self, provider: str) -> dict[str, str]:
        """The organization's name by client."""
        return {
            client: client.partition(" at ")[0]
            for client in self.subscriptions
            if provider_of(client) == provider
        }


def provider_of(client: str) -> str:
    return client.partition(" at ")[2]


def make_rows(scenario: Scenario) -> Rows:
    providers = [
        Provider.objects.create(
            name=name,
            short_name=name,
            phone="+1 555 0100",
            host=f"192.0.2.{100 + number}",
            server_name=f"{name}.example",
            transports=(Transport.DTLS,),
            trust_anchors=f"anchors of {name}",
        )
        for number, name in enumerate(scenario.providers, start=1)
    ]
    organizations, people, subscriptions = {}, {}, {}
    key = secrets.encrypt(b"a key that nobody uses")
    for tenant in scenario.tenants:
        organizations[tenant.name] = organization = _make_organization(tenant)
        admin = User.objects.create(username=f"admin of {tenant.name}")
        Membership.objects.create(user=admin, organization=organization, role=Role.ADMIN)
        people[tenant.name] = Actor.person(admin)
        for number, provider in enumerate(providers, start=1):
            client = f"{tenant.name} at {provider.name}"
            subscriptions[client] = Subscription.objects.create(
                organization=organization,
                provider=provider,
                priority=number,
                cuid=f"{tenant.name[:4]}{number:018d}",
                certificate_chain=client,
                private_key=key,
            )
    hosts = {provider.name: provider.host for provider in providers}
    return Rows(organizations, people, hosts, subscriptions)


def _make_organization(tenant: Tenant) -> Organization:
    organization = Organization.objects.create(
        slug=tenant.name,
        name=tenant.name.title(),
        patience_s=tenant.patience_s,
        late_acceptance=tenant.late_acceptance,
    )
    ProtectedResource.objects.create(
        organization=organization,
        name="Shop",
        kind=ResourceKind.PREFIX,
        value=f"{NETWORKS[tenant.name]}.0/24",
        verified_at=timezone.now(),
    )
    return organization
