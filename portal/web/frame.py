"""The data of the header and footer of every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.events import queries as events
from portal.mitigations.queries import live_counts
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.queries import memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherOrganization:
    """Another organization of the person, in the menu of the header."""

    name: str
    slug: str
    live: int
    "requests that are not over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The data of the header and footer."""

    membership: Membership
    others: tuple[OtherOrganization, ...]
    seq: int
    now: datetime

    @property
    def organization(self) -> Organization:
        return self.membership.organization

    @property
    def role(self) -> str:
        return Role(self.membership.role).value


def frame(membership: Membership, now: datetime) -> Frame:
    """Read before anything else of a page: events in the meantime have a later number and arrive
    through the socket.
    """
    return Frame(
        membership=membership,
        others=_others(membership),
        seq=events.last_seq(membership.organization_id),
        now=now,
    )


def _others(membership: Membership) -> tuple[OtherOrganization, ...]:
    own = [one.organization for one in memberships(membership.user) if one.pk != membership.pk]
    live = live_counts([one.pk for one in own]) if own else {}
    return tuple(
        OtherOrganization(name=one.name, slug=one.slug, live=live.get(one.pk, 0)) for one in own
    )
