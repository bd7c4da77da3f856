"""The input and the result of the check: plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from portal.core.errors import FieldError, Fix
from portal.core.targets import IPNetwork, PortRange, Target, Targets, why_not
from portal.mitigations.models import Strategy

MAX_TARGETS: Final = 32
MAX_NAMED_ERRORS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The request of a person, as typed and unchecked."""

    prefixes: tuple[str, ...] = ()
    fqdns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    resources: tuple[UUID, ...] = ()
    ports: tuple[PortRange, ...] = ()
    protocols: tuple[int, ...] = ()
    lifetime_s: int | None = None
    "None: the organization's default; -1: until terminated"
    auto_renew: bool = True
    strategy: str = Strategy.FAILOVER
    subscriptions: tuple[UUID, ...] = ()
    "empty: all enabled ones, in priority order"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A verified resource of the organization."""

    id: UUID
    name: str
    target: Target

    @property
    def is_askable(self) -> bool:
        """False for a resource verified before the portal knew that no provider can be asked for
        it.
        """
        return why_not(self.target) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibleProvider:
    """A provider that may be asked, with its known limits."""

    subscription: UUID
    name: str
    max_lifetime_s: int | None = None
    max_targets: int | None = None
    may_be_indefinite: bool = True
    limited_to: tuple[IPNetwork, ...] = ()
    "empty: everything the organization may"
    max_port_ranges: int | None = None
    longest_prefix_v4: int | None = None
    longest_prefix_v6: int | None = None
    takes_names: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedScope:
    """The targets of a request that one provider may protect, and why not the others."""

    provider: EligibleProvider
    scope: Targets
    excluded: Mapping[str, str]
    "a target to the reason, which is a clause about the provider"
    problem: str = ""
    "why the provider cannot be asked at all, although it may protect some of it"
    problem_field: str = "targets"

    @property
    def targets(self) -> tuple[str, ...]:
        return () if self.problem else self.scope.texts

    @property
    def is_able(self) -> bool:
        return bool(self.targets)

    def why_not(self) -> str:
        """One clause about an excluded provider, or empty."""
        if self.problem or self.is_able:
            return self.problem
        return "; ".join(dict.fromkeys(self.excluded.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organization allows."""

    organization: str
    default_lifetime_s: int
    max_lifetime_s: int
    may_be_indefinite: bool
    shortest_prefix_v4: int | None = None
    "the length of the largest prefix that may be requested; None: no limit"
    shortest_prefix_v6: int | None = None
    admins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A submission that may be sent: in normal form, inside the organization's resources."""

    name: str
    asked: Targets
    scope: Targets
    resources: tuple[UUID, ...]
    ports: tuple[PortRange, ...]
    protocols: tuple[int, ...]
    lifetime_s: int
    auto_renew: bool
    strategy: Strategy
    assigned_scopes: Mapping[UUID, AssignedScope]
    """what each provider may protect, in the order in which they are asked; without those that may
    protect nothing
    """
    reason: str

    @property
    def subscriptions(self) -> tuple[UUID, ...]:
        return tuple(self.assigned_scopes)

    @property
    def scopes(self) -> dict[UUID, Targets]:
        return {
            subscription: assigned.scope for subscription, assigned in self.assigned_scopes.items()
        }


@dataclass(slots=True)
class Errors:
    found: list[FieldError] = field(default_factory=list)

    def add(self, field_path: str, code: str, message: str, *, fixes: Sequence[Fix] = ()) -> None:
        self.take(FieldError(field=field_path, code=code, message=message, fixes=fixes))

    def take(self, error: FieldError) -> None:
        if len(self.found) < MAX_NAMED_ERRORS:
            self.found.append(error)
