from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts.models import User
from portal.organizations.models import Organization, Role
from portal.providers.certificate_validity import Validity
from portal.providers.models import Provider, Subscription
from portal.readiness.checks import providers
from portal.readiness.rows import Destination, Link
from portal.wording import Session
from tests.factories import ResourceFactory, member
from tests.portal.identities import make_everything_ready
from tests.portal.readiness.drilled import passed

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)
DAY = timedelta(days=1)


def valid(days: float, name: str = "acme", begins: float = -100) -> Validity:
    return Validity(name, NOW + begins * DAY, NOW + days * DAY)


def provider(**changes: object) -> providers.ProviderFacts:
    """Northgate, connected over UDP since 2 October, heard 8 s ago, and healthy."""
    fields: dict[str, object] = {
        "id": "n",
        "name": "Northgate Scrubbing",
        "short": "Northgate",
        "phone": "+1 555 0142",
        "session": up(),
        "transport": "dtls",
        "transports": ["dtls"],
        "has_worker": True,
        "chain": [valid(149)],
        "anchors": [valid(900, "Northgate Root")],
        "page": Link("Open", Destination.PROVIDER, "n"),
        **changes,
    }
    return providers.ProviderFacts(**fields)  # type: ignore[arg-type]  # the test names fields


def up(heard_s: float = 8) -> Session:
    return Session(
        state="up",
        since=datetime(2026, 10, 2, 1, 0, tzinfo=UTC),
        last_heard_at=NOW - timedelta(seconds=heard_s),
    )


@pytest.fixture
def everything_ready(
    acme: Organization,
    northgate: Provider,
    tidewall: Provider,
    acme_northgate: Subscription,
    acme_tidewall: Subscription,
) -> None:
    """Both providers connected and managed, certificates valid for long, one verified resource."""
    make_everything_ready()
    ResourceFactory.create(organization=acme, name="Shop front-end", value="203.0.113.0/26")


@pytest.fixture
def erin(acme: Organization) -> User:
    return member("erin", acme, Role.ADMIN)


@pytest.fixture
def all_well(
    everything_ready: None, acme: Organization, alice: User, dana: User, erin: User
) -> None:
    passed(acme, dana, ago=timedelta(days=3))
