"""What an organization allows its members: limits, and which requests a second person approves.

Each request is checked against the organization's row as it is at that moment, so a change has its
effect in every process at once (ADR 65).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Final, Self
from uuid import UUID

from django.db import transaction

from portal.accounts.actors import Actor
from portal.core.errors import FieldError, Invalid
from portal.organizations.access import require_current_role
from portal.organizations.models import (
    MAX_APPROVAL_WAIT_S,
    MAX_LIFETIME_S,
    MAX_LIVE_REQUESTS,
    MAX_PATIENCE_S,
    MIN_APPROVAL_WAIT_S,
    MIN_LIFETIME_S,
    MIN_PATIENCE_S,
    Approval,
    LateAcceptance,
    Organization,
    Role,
)
from portal.organizations.services import change_settings

RANGES: Final = {
    "default_lifetime_s": (MIN_LIFETIME_S, MAX_LIFETIME_S),
    "max_lifetime_s": (MIN_LIFETIME_S, MAX_LIFETIME_S),
    "patience_s": (MIN_PATIENCE_S, MAX_PATIENCE_S),
    "approval_wait_s": (MIN_APPROVAL_WAIT_S, MAX_APPROVAL_WAIT_S),
    "max_live_requests": (1, MAX_LIVE_REQUESTS),
    "max_live_requests_per_person": (1, MAX_LIVE_REQUESTS),
    "shortest_prefix_v4": (0, 32),
    "shortest_prefix_v6": (0, 128),
    "approval_prefix_v4": (0, 32),
    "approval_prefix_v6": (0, 128),
}
"""The lowest and the highest value of each number."""
_CHOICES: Final = {"approval": Approval.values, "late_acceptance": LateAcceptance.values}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValues:
    """The policy of one organization. Lifetimes and waits in seconds; a prefix by its length."""

    default_lifetime_s: int
    max_lifetime_s: int
    may_be_indefinite: bool
    shortest_prefix_v4: int | None
    "of the largest prefix that may be requested; None: no limit"
    shortest_prefix_v6: int | None
    patience_s: int
    late_acceptance: str
    max_live_requests: int
    "only the portal's staff change it"
    max_live_requests_per_person: int
    approval: str
    approval_prefix_v4: int
    "larger prefixes need approval, if `approval` is LARGER"
    approval_prefix_v6: int
    approval_wait_s: int
    names_in_notices: bool
    "titles of notices name targets"

    @classmethod
    def of(cls, organization: Organization) -> Self:
        return cls(**{one.name: getattr(organization, one.name) for one in fields(cls)})

    def problems(self) -> list[FieldError]:
        """Every value that cannot be saved, by the name of its field in the API."""
        return [FieldError(api_name(name), code, words) for name, code, words in self._problems()]

    def _problems(self) -> Iterator[tuple[str, str, str]]:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= most:
                yield name, "out-of-range", f"{value:,} is not possible: {least:,} to {most:,}."
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                yield name, "not-a-choice", f"Choose one of: {', '.join(known)}."
        if self.default_lifetime_s > self.max_lifetime_s:
            words = "The lifetime offered must not be longer than the longest lifetime."
            yield "default_lifetime_s", "too-long", words


def api_name(field: str) -> str:
    """The API writes all durations in seconds, without saying so in the name."""
    return field.removesuffix("_s")


@transaction.atomic
def change_policy(*, organization_id: UUID, actor: Actor, values: PolicyValues) -> Organization:
    """An admin changes the policy. Raises Invalid with every wrong field; the record has the values
    before and after.
    """
    # Before the log, as in `change_settings`.
    organization = Organization.objects.select_for_update(no_key=True).get(pk=organization_id)
    require_current_role(organization_id, actor, Role.ADMIN)
    found = values.problems()
    if values.max_live_requests != organization.max_live_requests:
        found.append(_only_staff(organization))
    if found:
        things = "one thing" if len(found) == 1 else f"{len(found)} things"
        raise Invalid(f"Nothing was saved. Correct {things}.", errors=found)
    for name, value in asdict(values).items():
        setattr(organization, name, value)
    change_settings(organization=organization, actor=actor)
    return organization


def _only_staff(organization: Organization) -> FieldError:
    words = (
        f"The limit of {organization.name} is {organization.max_live_requests:,}; only the "
        "portal’s staff change it."
    )
    return FieldError("max_live_requests", "staff-only", words)
