from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.db import IntegrityError

from dots_client import cuid_from_certificate
from portal.core import secrets
from portal.core.errors import Conflict, Invalid
from portal.organizations.models import Organization
from portal.providers import services
from portal.providers.models import Provider, Subscription
from portal.providers.services import MAX_LIMITS, Identity
from tests.factories import ProviderFactory, SubscriptionFactory
from tests.portal.providers.identities import identity


@pytest.fixture
def own() -> Identity:
    return identity()


def test_the_key_is_saved_encrypted_and_decrypts_to_itself(
    acme: Organization, northgate: Provider, own: Identity
) -> None:
    services.subscribe(organization=acme, provider=northgate, identity=own, priority=1)

    kept = Subscription.objects.get()
    assert own.private_key not in bytes(kept.private_key)
    assert secrets.decrypt(kept.private_key) == own.private_key
    assert "PRIVATE" not in repr(own)


def test_the_cuid_is_derived_from_the_public_key(
    acme: Organization, northgate: Provider, own: Identity
) -> None:
    subscription = services.subscribe(
        organization=acme, provider=northgate, identity=own, priority=1
    )

    assert len(subscription.cuid) == 22
    assert subscription.cuid == cuid_from_certificate(own.certificate_chain)


def test_a_key_of_another_certificate_is_refused(own: Identity) -> None:
    mixed = Identity(certificate_chain=own.certificate_chain, private_key=identity().private_key)

    with pytest.raises(Invalid, match="does not belong"):
        services.usable(mixed)


@pytest.mark.parametrize("part", ["certificate_chain", "private_key"])
def test_text_other_than_pem_is_refused(own: Identity, part: str) -> None:
    parts: dict[str, Any] = {
        "certificate_chain": own.certificate_chain,
        "private_key": own.private_key,
        part: b"nothing",
    }

    with pytest.raises(Invalid, match="PEM"):
        services.usable(Identity(**parts))


def test_an_organization_has_one_subscription_per_provider(
    acme: Organization, acme_northgate: Subscription, northgate: Provider, own: Identity
) -> None:
    with pytest.raises(Conflict):
        services.subscribe(organization=acme, provider=northgate, identity=own, priority=2)


def test_a_priority_belongs_to_one_provider(
    acme: Organization, acme_northgate: Subscription, tidewall: Provider, own: Identity
) -> None:
    with pytest.raises(Invalid, match="priority 1"):
        services.subscribe(organization=acme, provider=tidewall, identity=own, priority=1)


def test_two_organizations_cannot_share_an_identity_at_one_provider(
    acme: Organization, globex: Organization, northgate: Provider, own: Identity
) -> None:
    services.subscribe(organization=acme, provider=northgate, identity=own, priority=1)

    with pytest.raises(Invalid, match="is already used"):
        services.subscribe(organization=globex, provider=northgate, identity=own, priority=1)


def test_a_renewed_certificate_keeps_the_cuid(
    acme: Organization, northgate: Provider, own: Identity
) -> None:
    subscription = services.subscribe(
        organization=acme, provider=northgate, identity=own, priority=1
    )
    renewed = identity()

    services.replace_certificate(subscription=subscription, identity=renewed)

    kept = Subscription.objects.get()
    assert kept.cuid == subscription.cuid
    assert secrets.decrypt(kept.private_key) == renewed.private_key


def test_the_order_can_change(acme_northgate: Subscription) -> None:
    services.set_order(subscription=acme_northgate, priority=7, enabled=False)

    kept = Subscription.objects.get()
    assert (kept.priority, kept.enabled) == (7, False)


def test_the_database_refuses_a_cuid_used_twice(
    acme_northgate: Subscription, globex: Organization, northgate: Provider
) -> None:
    with pytest.raises(IntegrityError):
        SubscriptionFactory.create(
            organization=globex, provider=northgate, cuid=acme_northgate.cuid
        )


@pytest.mark.parametrize("port", [0, 65536])
def test_a_port_is_in_range(db: None, port: int) -> None:
    with pytest.raises(IntegrityError):
        ProviderFactory.create(port=port)


# limits


def test_limits_are_saved_in_normal_form(acme_northgate: Subscription) -> None:
    typed = ["2001:DB8::/32", "203.0.113.128/25", "203.0.113.0/25", "203.0.113.7"]

    services.limit(subscription=acme_northgate, prefixes=services.limits_of(typed))

    assert Subscription.objects.get().limited_to == (
        ip_network("203.0.113.0/24"),
        ip_network("2001:db8::/32"),
    )


def test_every_invalid_limit_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        services.limits_of(["203.0.113.7/24", "10.0.0.0/8", "x"])

    assert [(one.field, one.code) for one in caught.value.errors] == [
        ("limited_to.0", "host-bits-set"),
        ("limited_to.2", "not-a-prefix"),
    ]


def test_the_number_of_limits_is_bounded() -> None:
    many = [f"10.{number}.0.0/16" for number in range(0, 2 * (MAX_LIMITS + 1), 2)]

    assert len(services.limits_of(many[:MAX_LIMITS])) == MAX_LIMITS
    with pytest.raises(Invalid, match="at most 64"):
        services.limits_of(many)


@pytest.mark.parametrize(
    "columns",
    [
        {"longest_prefix_v4": 33},
        {"longest_prefix_v6": 129},
        {"path_kind": "gateway"},
        {"path_name": "Edge 1"},
    ],
)
def test_a_meaningless_limit_or_path_is_refused(db: None, columns: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        ProviderFactory.create(**columns)
