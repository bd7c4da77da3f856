"""The limit on live requests, shown before a request is sent."""

from __future__ import annotations

from uuid import UUID

from portal.accounts.actors import Actor
from portal.mitigations.services.quota_check import quota_excess
from portal.mitigations.wording import quota_sentence
from portal.organizations.models import Membership
from portal.web.requests.overlaps import Overlaps


def quota_of(membership: Membership, overlaps: Overlaps) -> str:
    """The limit that one more request of this person would exceed, and what to do; empty if there
    is room.

    `overlaps`: what the request would replace.
    """
    organization, actor = membership.organization, Actor.person(membership.user)
    found = quota_excess(organization, actor, replaced=[UUID(one) for one in overlaps.ids])
    if found is None:
        return ""
    return quota_sentence(found, organization=organization.name, actor=actor)
