"""Three tenants with one of everything, of which the third is suspended. Canaries tell their
rows apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertPayload
from portal.alerts.services import endpoints
from portal.alerts.services.map_waiting import map_waiting
from portal.audit.sealing import seal_all
from portal.connections import services as connections
from portal.events.acts import record_acts
from portal.inventory import services as inventory
from portal.mitigations import services
from portal.mitigations.validation import Submission
from portal.organizations import invitations, lost_phones, suspension
from portal.organizations import services as organizations
from portal.organizations.models import Organization, ResourceKind, Role
from portal.ownership import services as ownership
from portal.ownership.states import ProofMethod
from portal.providers.models import Provider
from portal.sso.services import Setup, configure
from portal.standby import services as standby
from portal.wire.models import WireMessage
from tests.factories import (
    AuthenticatorFactory,
    MembershipFactory,
    OrganizationFactory,
    ProviderFactory,
    ResourceFactory,
    SubscriptionFactory,
    UserFactory,
    member,
)
from tests.portal.inventory.conftest import reported
from tests.portal.mitigations.rows import confirm
from tests.random_walk.canaries import brand, canaries_of, ids_of, new_canary

NETWORKS: Final = {"acme": "203.0.113", "globex": "198.51.100", "initech": "192.0.2"}
SUSPENDED: Final = "initech"
ROLES: Final = (Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One organization as the others must not see it."""

    slug: str
    organization: Organization
    people: dict[Role, User]
    second_admin: User
    alert_secret: str
    canaries: list[str]
    ids: dict[str, list[Any]]
    "primary keys by the name of the model"

    @property
    def network(self) -> str:
        return NETWORKS[self.slug]

    def address(self, last: int) -> str:
        return f"{self.network}.{last}/32"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All tenants, and the people of several or of none."""

    tenants: dict[str, Tenant]
    both: User
    "an operator of acme and a viewer of globex"
    staff: User
    owner_of: dict[str, str]
    "the slug of the tenant by the id of its row"


def build() -> World:
    northgate = ProviderFactory.create(name="Northgate Scrubbing", short_name="Northgate")
    tidewall = ProviderFactory.create(name="Tidewall", short_name="Tidewall")
    staff = UserFactory.create(username="mo", is_staff=True, is_superuser=True)
    AuthenticatorFactory.create(user=staff)
    tenants = {slug: _tenant(slug, northgate, tidewall, staff) for slug in NETWORKS}
    both = member("nora", tenants["acme"].organization, Role.OPERATOR)
    MembershipFactory.create(
        user=both, organization=tenants["globex"].organization, role=Role.VIEWER
    )
    owner_of = {
        str(pk): slug
        for slug, tenant in tenants.items()
        for pks in tenant.ids.values()
        for pk in pks
        if isinstance(pk, UUID)
    }
    return World(tenants=tenants, both=both, staff=staff, owner_of=owner_of)


def _tenant(slug: str, northgate: Provider, tidewall: Provider, staff: User) -> Tenant:
    own = OrganizationFactory.create(slug=slug, name=new_canary(slug))
    people = {role: _person(slug, own, role) for role in ROLES}
    second = _person(slug, own, Role.ADMIN)
    network = NETWORKS[slug]
    ResourceFactory.create(organization=own, name=new_canary(slug), value=f"{network}.0/26")
    one = SubscriptionFactory.create(organization=own, provider=northgate, priority=1)
    SubscriptionFactory.create(organization=own, provider=tidewall, priority=2)
    _people_rows(slug, own, people)
    secret = _alerts(slug, own, people[Role.ADMIN])
    _requests(slug, own, people)
    inventory.record_inventory(
        subscription_id=one.pk,
        cuid="ours",
        unknown=[reported(41, f"{network}.24/29")],
        answered_mids=[],
        refusal="",
        now=timezone.now(),
    )
    connections.ask_test(subscription=one, actor=Actor.person(people[Role.ADMIN]))
    if slug == SUSPENDED:
        reason = f"Unpaid since {new_canary(slug)}"
        suspension.suspend(slug=slug, actor=Actor.person(staff), reason=reason)
    record_acts()
    seal_all()
    brand(slug, own.pk)
    own.refresh_from_db()
    return Tenant(
        slug=slug,
        organization=own,
        people=people,
        second_admin=second,
        alert_secret=secret,
        canaries=canaries_of(own.pk),
        ids=ids_of(own.pk),
    )


def _person(slug: str, own: Organization, role: Role) -> User:
    canary = new_canary(slug)
    return member(f"{role.value}-{canary}", own, role, email=f"{canary}@{slug}.example")


def _people_rows(slug: str, own: Organization, people: dict[Role, User]) -> None:
    admin, operator = Actor.person(people[Role.ADMIN]), people[Role.OPERATOR]
    invitations.invite(
        organization=own,
        actor=admin,
        email=f"{new_canary(slug)}@{slug}.example",
        role=Role.VIEWER,
        origin="https://portal.example",
    )
    lost_phones.start(
        organization=own,
        user_id=people[Role.VIEWER].pk,
        actor=admin,
        reason=f"Called back, see {new_canary(slug)}",
        origin="https://portal.example",
    )
    setup = Setup(
        issuer=f"https://127.0.0.1:1/{new_canary(slug)}",
        client_id=new_canary(slug),
        client_secret="secret",
        domains=[f"{new_canary(slug)}.example"],
    )
    configure(organization=own, setup=setup, actor=admin)
    resource = organizations.add_resource(
        organization=own,
        actor=Actor.person(operator),
        name=new_canary(slug),
        kind=ResourceKind.FQDN,
        value=f"{new_canary(slug)}.example",
    )
    ownership.ask_check(resource=resource, method=ProofMethod.DNS, actor=operator)


def _alerts(slug: str, own: Organization, admin: User) -> str:
    wish = endpoints.EndpointWish(name=new_canary(slug), source=AlertSource.PLAIN)
    endpoint, secret = endpoints.add_endpoint(
        organization=own, actor=Actor.person(admin), wish=wish
    )
    for body in (f'{{"targets": ["{NETWORKS[slug]}.7"], "vector": "{new_canary(slug)}"}}', "{}"):
        AlertPayload.objects.create(
            organization=own,
            endpoint=endpoint,
            received_at=timezone.now(),
            body=body.encode(),
            is_waiting=True,
        )
    map_waiting()
    return secret


def _requests(slug: str, own: Organization, people: dict[Role, User]) -> None:
    """A live one, an ended one, one that waits for approval, a plan; and messages of the first."""
    operator, network = Actor.person(people[Role.OPERATOR]), NETWORKS[slug]

    def submit(last: int) -> Any:
        submission = Submission(prefixes=(f"{network}.{last}/32",), reason=new_canary(slug))
        return services.submit(organization=own, actor=operator, submission=submission)

    live, ended = submit(7), submit(9)
    for mitigation in live.mitigations.all():
        confirm(mitigation)
        WireMessage.objects.create(
            organization=own,
            subscription=mitigation.subscription,
            mitigation=mitigation,
            at=timezone.now(),
            direction="sent",
            topic="mitigation",
            kind="CON",
            code="0.03",
            method="PUT",
            body=f'{{"note": "{new_canary(slug)}"}}',
        )
    services.terminate(request_id=ended.pk, actor=operator)
    standby.create_plan(
        organization=own,
        actor=operator,
        name=new_canary(slug),
        submission=Submission(prefixes=(f"{network}.32/27",)),
    )
    Organization.objects.filter(pk=own.pk).update(approval="all")
    own.refresh_from_db()
    submit(17)
