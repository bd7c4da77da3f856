"""What header and footer of every page know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.organizations.models import Membership, Organization, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What header and footer know."""

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
