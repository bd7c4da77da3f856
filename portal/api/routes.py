"""Whether the providers of a request may announce its routes, as previews show it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from portal.api.fields import ApiSerializer
from portal.mitigations.validation import AssignedScope
from portal.organizations.models import Organization
from portal.rpki.provider_routes import provider_routes
from portal.rpki.validity import RouteValidity
from portal.wording.routes import may_announce

HELP = (
    "Whether each provider could announce the routes of its targets, by the ROAs that the portal's "
    "RPKI validator knows (RFC 6811). Only providers that announce routes; empty without a "
    "validator. It does not hinder a submission."
)


class RoutesShown(ApiSerializer[Any]):
    subscription = serializers.UUIDField()
    provider = serializers.CharField()
    code = serializers.ChoiceField(
        choices=[(one.value, one.value) for one in RouteValidity],
        help_text="For the worst route: `invalid` before `unknown`, `not-found` and "
        "`valid`. `unknown`: the data are missing or older than 24 hours.",
    )
    text = serializers.CharField(help_text="For people.")


class RoutesBody(TypedDict):
    """The routes of one provider."""

    subscription: UUID
    provider: str
    code: str
    text: str


def routes(
    organization: Organization, assigned_scopes: Iterable[AssignedScope]
) -> list[RoutesBody]:
    """`assigned_scopes`: of the providers that may be asked."""
    scopes, names = {}, {}
    for one in assigned_scopes:
        scopes[one.provider.subscription] = one.scope
        names[one.provider.subscription] = one.provider.name
    return [
        RoutesBody(
            subscription=found.subscription,
            provider=names[found.subscription],
            code=found.code.value,
            text=may_announce(names[found.subscription], found),
        )
        for found in provider_routes(organization, scopes, timezone.now())
    ]
