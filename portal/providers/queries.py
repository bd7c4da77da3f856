"""Reads, the organization first."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from portal.organizations.models import Organization
from portal.providers.models import Subscription


def subscriptions(organization: Organization) -> QuerySet[Subscription]:
    """In the order in which they are asked; private keys stay in the database."""
    return (
        Subscription.objects.filter(organization=organization)
        .select_related("provider")
        .defer("private_key", "certificate_chain", "provider__trust_anchors")
        .order_by("priority", "pk")
    )


def connected(organization: Organization) -> QuerySet[Subscription]:
    """Those with a key, in their order, asked or not."""
    return subscriptions(organization).exclude(certificate_chain="")


def as_numbers_of(organization: Organization) -> dict[UUID, int]:
    """By subscription, of the enabled ones whose provider announces routes."""
    rows = Subscription.objects.filter(organization=organization, enabled=True).values_list(
        "pk", "provider__as_number"
    )
    return {key: number for key, number in rows if number is not None}
