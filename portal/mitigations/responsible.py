"""The person who is responsible for a request: who took it over last, while still a member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portal.mitigations.models import MitigationRequest
from portal.organizations.acting import name_at

MEMBERSHIPS: Final = "responsible__memberships"
"""What rows have to be loaded with, so that `responsible_for` asks for none of them alone."""


@dataclass(frozen=True, slots=True)
class Responsible:
    """The person who took a request over last."""

    name: str = ""
    "empty if no one did"
    has_left: bool = False
    "the person can no longer act for the organization: no one is responsible"

    @property
    def now(self) -> str:
        """The responsible person; empty for no one."""
        return "" if self.has_left else self.name


def responsible_for(request: MitigationRequest) -> Responsible:
    person = request.responsible
    if person is None:
        return Responsible()
    belongs = person.is_staff or any(
        one.organization_id == request.organization_id for one in person.memberships.all()
    )
    return Responsible(
        name=name_at(person, request.organization_id, request.responsible_since),
        has_left=not (person.is_active and belongs),
    )
