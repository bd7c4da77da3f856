"""The data of the header and footer of every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.events import queries as events
from portal.organizations.models import Membership, Organization, Role
from portal.organizations.queries import memberships


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The data of the header and footer."""

    membership: Membership
    others: tuple[Membership, ...]
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
        others=tuple(one for one in memberships(membership.user) if one.pk != membership.pk),
        seq=events.last_seq(membership.organization_id),
        now=now,
    )
