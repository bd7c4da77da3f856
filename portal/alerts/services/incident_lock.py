"""The lock under which incidents and proposals change."""

from __future__ import annotations

from uuid import UUID

from portal.organizations.models import Organization


def lock_incidents(organization_id: UUID) -> None:
    """One transaction at a time changes incidents and proposals of an organization."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
