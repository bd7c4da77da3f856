"""Notes in the form of a request about routes that a provider could not announce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.core.targets import Targets
from portal.mitigations.validation import EligibleProvider
from portal.organizations.models import Organization
from portal.providers.queries import as_numbers_of
from portal.rpki.origins import origins_of
from portal.rpki.validity import RouteValidity
from portal.wording.routes import could_not_in_a_request

MAX_NOTES: Final = 5


def route_notes(
    organization: Organization,
    chosen: Sequence[EligibleProvider],
    scopes: Mapping[UUID, Targets],
    now: datetime,
) -> tuple[str, ...]:
    """One for each provider and route that is RPKI-invalid now. Data that are missing or old say
    nothing: Readiness says that.
    """
    networks = {one for targets in scopes.values() for one in targets.prefixes}
    origins = origins_of(networks, now) if networks else None
    as_numbers = as_numbers_of(organization) if origins is not None else {}
    if origins is None or not as_numbers:
        return ()
    notes = [
        could_not_in_a_request(provider.name, check)
        for provider in chosen
        if (as_number := as_numbers.get(provider.subscription)) is not None
        for network in scopes.get(provider.subscription, Targets()).prefixes
        if (check := origins.check(network, as_number)).validity == RouteValidity.INVALID
    ]
    return tuple(notes[:MAX_NOTES])
