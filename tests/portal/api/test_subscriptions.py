from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from portal.accounts.models import User
from portal.inventory.models import Inventory
from portal.organizations.models import Organization
from portal.providers.models import PendingChange, Provider, Subscription
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
            "limited_to": [],
            "limits": {
                "max_lifetime": None,
                "may_be_indefinite": True,
                "max_targets": None,
                "max_port_ranges": None,
                "longest_prefix_v4": None,
                "longest_prefix_v6": None,
                "takes_names": True,
            },
            "path": {"kind": "direct", "hops": ["Northgate"], "session_ends_at": "Northgate"},
            "session": {
                "state": "up",
                "transport": "dtls",
                "since": "2025-01-02T03:04:05Z",
                "last_heartbeat_at": None,
                "fault": "",
                "detail": "",
                "refusal": "",
                "redirection_ignored": "",
                "pending_change": None,
            },
            "inventory": None,
        }
    ]


def test_a_subscription_shows_the_last_inventory_of_the_provider(
    bob: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    told_at = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
    Inventory.objects.create(
        subscription=acme_northgate,
        asked_at=told_at + timedelta(minutes=5),
        told_at=told_at,
        refusal="4.05",
        not_kept=3,
    )

    [shown] = api_of(bob).get(URL).json()["results"]

    assert shown["inventory"] == {
        "asked_at": "2025-01-02T03:09:05Z",
        "told_at": "2025-01-02T03:04:05Z",
        "refusal": "4.05",
        "not_kept": 3,
    }


def test_settings_that_are_not_in_use_yet_are_shown_with_the_reason(
    bob: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    Subscription.objects.update(
        pending_change=PendingChange(
            changed=("certificate",),
            tried_at=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
            failure="the server refused the handshake",
        )
    )

    (shown,) = api_of(bob).get(URL).json()["results"]

    assert shown["session"]["state"] == "up"
    assert shown["session"]["pending_change"] == {
        "changed": ["certificate"],
        "tried_at": "2025-01-02T03:04:05Z",
        "failure": "the server refused the handshake",
    }


def test_subscriptions_are_listed_in_the_order_of_asking(
    bob: User, acme_tidewall: Subscription, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    results = api_of(bob).get(URL).json()["results"]

    assert [one["provider"]["short_name"] for one in results] == ["Northgate", "Tidewall"]


def test_keys_and_certificates_are_not_exposed(
    bob: User, acme_northgate: Subscription, api_of: ApiOf
) -> None:
    text = api_of(bob).get(URL).content

    assert PRIVATE_KEY not in text
    assert b"BEGIN" not in text


def test_the_number_of_queries_does_not_grow_with_the_list(
    bob: User, acme: Organization, api_of: ApiOf, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api = api_of(bob)
    api.get(URL)
    for _ in range(5):
        SubscriptionFactory.create(organization=acme, provider=ProviderFactory.create())

    with django_assert_num_queries(2):
        assert len(api.get(URL).json()["results"]) == 5


def test_another_tenants_subscriptions_are_not_shown(
    charlie: User, acme_northgate: Subscription, globex_northgate: Subscription, api_of: ApiOf
) -> None:
    assert api_of(charlie).get(URL).status_code == 404
    own = api_of(charlie).get("/api/v1/organizations/globex/subscriptions").json()["results"]
    assert [one["id"] for one in own] == [str(globex_northgate.pk)]


@pytest.mark.parametrize(("kind", "ends_at"), [("gateway", "Edge 1"), ("relay", "Northgate")])
def test_a_path_names_the_gateways_and_the_peer_of_the_connection(
    bob: User, acme_northgate: Subscription, api_of: ApiOf, kind: str, ends_at: str
) -> None:
    Provider.objects.update(path_kind=kind, path_name="Edge 1")

    [shown] = api_of(bob).get(URL).json()["results"]

    assert shown["path"] == {
        "kind": kind,
        "hops": ["Edge 1", "Northgate"],
        "session_ends_at": ends_at,
    }
