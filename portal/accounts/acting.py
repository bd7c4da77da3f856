"""That a member of the portal's staff acts for an organization, as the code that records acts needs
it. The rules are in portal.organizations.acting.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

MAX_NAME: Final = 200
"""Characters of the name of an actor in the tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """For one organization, for a while, and with a reason that its people read."""

    id: UUID
    organization_id: UUID
    organization: str
    "its name"
    slug: str
    is_suspended: bool
    reason: str
    ends_at: datetime

    def name_of(self, username: str) -> str:
        """What the organization's people read: "staff mo acting for Acme"."""
        name = f"staff {username} acting for {self.organization}"
        return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
