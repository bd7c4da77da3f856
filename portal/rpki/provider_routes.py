"""Which routes the providers of a request would announce, and whether ROAs allow them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from portal.core.targets import Targets
from portal.mitigations.queries import verified_resources
from portal.organizations.models import Organization
from portal.providers.queries import as_numbers_of
from portal.rpki.origins import OriginCheck, Origins, origins_of
from portal.rpki.validity import RouteValidity, worst


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRoutes:
    """What one provider would announce."""

    subscription: UUID
    checks: tuple[OriginCheck, ...]
    "one for each prefix, at least one"
    origins: Origins

    @property
    def code(self) -> RouteValidity:
        """The worst one of its routes."""
        return worst(one.validity for one in self.checks)

    @property
    def invalid(self) -> list[OriginCheck]:
        return [one for one in self.checks if one.validity == RouteValidity.INVALID]


def provider_routes(
    organization: Organization, scopes: Mapping[UUID, Targets], now: datetime
) -> list[ProviderRoutes]:
    """For each provider of `scopes`, in its order, that announces routes and has a prefix to
    protect. `scopes`: what each provider would protect, by subscription. Empty if no validator is
    configured.

    The routes of the organization's own verified resources only: others are UNKNOWN, since what the
    portal looked up for another organization would tell that it has a resource there.
    """
    if not settings.PORTAL_RPKI_SOURCE or not any(one.prefixes for one in scopes.values()):
        return []
    verified = Targets.of(one.target for one in verified_resources(organization))
    origins = origins_of(verified.prefixes, now)
    assert origins is not None, "a validator is configured"
    as_numbers = as_numbers_of(organization)
    return [
        ProviderRoutes(
            subscription=key,
            checks=tuple(origins.check(one, as_numbers[key]) for one in targets.prefixes),
            origins=origins,
        )
        for key, targets in scopes.items()
        if key in as_numbers and targets.prefixes
    ]
