"""What is checked and what comes of it: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from portal.core.errors import FieldError
from portal.core.targets import TargetError
from portal.mitigations.models import Port, Strategy, Targets

MAX_TARGETS: Final = 32
MAX_NAMED_ERRORS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a person asked for, as typed: nothing of it is checked yet."""

    prefixes: tuple[str, ...] = ()
    fqdns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    resources: tuple[UUID, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
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
    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A provider that may be asked, with its known limits."""

    subscription: UUID
    provider: str
    max_lifetime_s: int | None = None
    max_targets: int | None = None
    may_be_indefinite: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organization allows."""

    organization: str
    default_lifetime_s: int
    max_lifetime_s: int
    may_be_indefinite: bool
    admins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A submission that may be sent: normal forms, everything inside the organization's resources."""

    name: str
    asked: Targets
    scope: Targets
    resources: tuple[UUID, ...]
    ports: list[Port]
    protocols: list[int]
    lifetime_s: int
    auto_renew: bool
    strategy: Strategy
    subscriptions: tuple[UUID, ...]
    reason: str


@dataclass(slots=True)
class Errors:
    found: list[FieldError] = field(default_factory=list)

    def add(
        self, field_path: str, code: str, message: str, error: TargetError | None = None
    ) -> None:
        if len(self.found) < MAX_NAMED_ERRORS:
            fixes = error.fixes if error else ()
            self.found.append(FieldError(field=field_path, code=code, message=message, fixes=fixes))
