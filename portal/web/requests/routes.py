"""Notes in the form of a request about routes that a provider could not announce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.core.targets import Targets
from portal.mitigations.validation import EligibleProvider
from portal.organizations.models import Organization
from portal.rpki.provider_routes import provider_routes
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
    names = {provider.subscription: provider.name for provider in chosen}
    notes = [
        could_not_in_a_request(names[found.subscription], check)
        for found in provider_routes(organization, scopes, now)
        for check in found.invalid
    ]
    return tuple(notes[:MAX_NOTES])
