from __future__ import annotations

from datetime import UTC, datetime

from pytest_django import DjangoAssertNumQueries

from portal.accounts.models import User
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from tests.conftest import ApiOf
from tests.factories import PRIVATE_KEY, ProviderFactory, SubscriptionFactory

URL = "/api/v1/organizations/acme/subscriptions"


def test_a_subscription_shows_provider_and_session(
    bob: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    Subscription.objects.update(
        session_since=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), last_heard_at=None
    )

    assert api_of(bob).get(URL).json()["results"] == [
        {
            "id": str(acme_northgate.pk),
            "provider": {
                "name": "Northgate Scrubbing",
                "short_name": "Northgate",
                "phone": "+1 555 0142",
            },
            "priority": 1,
            "enabled": True,
            "session": {
                "state": "up",
                "transport": "dtls",
                "since": "2025-01-02T03:04:05Z",
                "last_heartbeat_at": None,
                "detail": "",
            },
        }
    ]


def test_they_come_in_the_order_in_which_they_are_asked(
    bob: User, acme_tidewall: Subscription, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    results = api_of(bob).get(URL).json()["results"]

    assert [one["provider"]["short_name"] for one in results] == ["Northgate", "Tidewall"]


def test_keys_and_certificates_stay_inside(
    bob: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    text = api_of(bob).get(URL).content

    assert PRIVATE_KEY not in text
    assert b"BEGIN" not in text


def test_reading_costs_the_same_however_many_there_are(
    bob: User, acme: Organization, api_of: ApiOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api = api_of(bob)
    api.get(URL)
    for _ in range(5):
        SubscriptionFactory.create(organization=acme, provider=ProviderFactory.create())

    with django_assert_num_queries(3):
        assert len(api.get(URL).json()["results"]) == 5


def test_another_tenants_subscriptions_are_not_shown(
    charlie: User, acme_northgate: Subscription, globex_northgate: Subscription, api_of: ApiOf
) -> None:
    assert api_of(charlie).get(URL).status_code == 404
    own = api_of(charlie).get("/api/v1/organizations/globex/subscriptions").json()["results"]
    assert [one["id"] for one in own] == [str(globex_northgate.pk)]
