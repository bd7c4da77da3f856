"""The data of the header and footer of every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.alerts.queries import open_proposals
from portal.events import queries as events
from portal.mitigations.queries import live_counts, waiting_approvals
from portal.organizations.models import Approval, Membership, Organization, Role
from portal.organizations.queries import memberships
from portal.organizations.suspension import suspended_sentence


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
    approvals: int | None
    "how many requests wait for approval; None: the policy asks for none, or the role sees none"
    proposals: int
    "how many proposals of detectors are open"

    @property
    def organization(self) -> Organization:
        return self.membership.organization

    @property
    def suspended(self) -> str:
        """That it is suspended, as a sentence; empty if it is not."""
        own = self.organization
        return suspended_sentence(own) if own.suspended_at else ""

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
        approvals=_approvals(membership),
        proposals=open_proposals(membership.organization).count(),
    )


def _approvals(membership: Membership) -> int | None:
    if membership.organization.approval == Approval.NEVER or not membership.can_operate:
        return None
    return waiting_approvals(membership.organization).count()


def _others(membership: Membership) -> tuple[OtherOrganization, ...]:
    own = [one.organization for one in memberships(membership.user) if one.pk != membership.pk]
    live = live_counts([one.pk for one in own]) if own else {}
    return tuple(
        OtherOrganization(name=one.name, slug=one.slug, live=live.get(one.pk, 0)) for one in own
    )
