"""The people, organizations and resources of a new installation made by this package."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final


@dataclass(frozen=True)
class Resource:
    name: str
    kind: str
    value: str
    is_verified: bool = True


@dataclass(frozen=True)
class Organization:
    slug: str
    name: str
    resources: tuple[Resource, ...]
    policy: dict[str, int] = field(default_factory=dict)
    "values of its settings, by column; the others have their defaults"


@dataclass(frozen=True)
class User:
    """A person; `organization` is empty for the portal's own staff."""

    username: str
    role: str
    organization: str = ""
    is_enrolled: bool = True

    @property
    def is_staff(self) -> bool:
        return not self.organization


@dataclass(frozen=True)
class Provider:
    name: str
    short_name: str
    phone: str
    signal_port: int
    control_port: int

    @property
    def key(self) -> str:
        return self.short_name.lower()


HIGH_LIMITS: Final = {"max_live_requests": 100_000, "max_live_requests_per_person": 100_000}
"""For measurements that hold more live requests than people would."""

ORGANIZATIONS = (
    Organization(
        "acme",
        "Acme",
        (
            Resource("Shop front-end", "prefix", "203.0.113.0/26"),
            Resource("Shop front-end IPv6", "prefix", "2001:db8:10::/48"),
            Resource("Customer API", "prefix", "203.0.113.64/27"),
            Resource("Mail relays", "prefix", "203.0.113.128/29"),
            Resource("Shop name", "fqdn", "shop.acme.example"),
            Resource("Status page", "prefix", "198.51.100.40/32", is_verified=False),
        ),
    ),
    Organization(
        "globex",
        "Globex",
        (
            Resource("Data centre", "prefix", "198.51.100.0/25"),
            Resource("Data centre IPv6", "prefix", "2001:db8:20::/48"),
            Resource("Ticket sale", "fqdn", "tickets.globex.example"),
        ),
    ),
)

BUSY_ORGANIZATIONS = tuple(replace(one, policy=HIGH_LIMITS) for one in ORGANIZATIONS)

USERS = (
    User("alice", "admin", "acme"),
    User("dana", "operator", "acme"),
    User("bob", "viewer", "acme"),
    User("erin", "operator", "acme", is_enrolled=False),
    User("charlie", "admin", "globex"),
    User("mo", "staff"),
)


@dataclass(frozen=True)
class Plan:
    """A plan that an organization's providers hold in standby; `resources` by name."""

    organization: str
    name: str
    by: str
    resources: tuple[str, ...]


PLANS = (Plan("acme", "Shop, full flood", "alice", ("Shop front-end", "Shop front-end IPv6")),)


@dataclass(frozen=True)
class Cast:
    """Everything in a new installation, except the providers."""

    organizations: tuple[Organization, ...] = ORGANIZATIONS
    users: tuple[User, ...] = USERS
    plans: tuple[Plan, ...] = ()


PROVIDERS = (
    Provider("Northgate Scrubbing", "Northgate", "+1 555 0142", 4646, 4650),
    Provider("Tidewall", "Tidewall", "+1 555 0177", 4647, 4651),
)
