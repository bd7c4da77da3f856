from __future__ import annotations

import pytest

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.organizations import services as organizations
from portal.organizations.models import Organization, ProtectedResource, ResourceKind
from portal.ownership import services
from portal.ownership.places import places_of, value_of
from tests.portal.ownership.dns_world import DnsWorld, zone

ONE = "127.0.0.11"


class Claims:
    """Claims of organizations in a DNS that only the test knows."""

    def __init__(self) -> None:
        self.published: dict[str, list[str]] = {}

    def publish(self, resource: ProtectedResource) -> None:
        """The record, in a zone of each name of the first alternative."""
        value = value_of(services.claim_of(resource).token)
        for name in places_of(resource.target).dns[0]:
            self.published.setdefault(name.partition(".")[2], []).append(value)

    def withdraw(self) -> None:
        self.published = {name: [] for name in self.published}

    def world(self) -> DnsWorld:
        zones = {
            name: zone(*(f'_dots-portal 60 IN TXT "{value}"' for value in values))
            for name, values in self.published.items()
        }
        return DnsWorld(zones, {ONE: {}})


@pytest.fixture
def claims() -> Claims:
    return Claims()


def added(
    organization: Organization, person: User, kind: str, value: str, name: str = ""
) -> ProtectedResource:
    return organizations.add_resource(
        organization=organization,
        actor=Actor.person(person),
        name=name or value,
        kind=ResourceKind(kind),
        value=value,
    )
