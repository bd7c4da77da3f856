"""The people, organizations and resources of a new installation made by this package."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final


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
class Detector:
    """A detector of an organization, and what it reports at each start."""

    organization: str
    name: str
    by: str
    source: str
    report: dict[str, Any]


DETECTORS = (
    Detector(
        "acme",
        "Border routers",
        "alice",
        "fastnetmon",
        {
            "ip": "203.0.113.130",
            "alert_scope": "host",
            "action": "ban",
            "attack_details": {
                "attack_uuid": "3f1b6c52-6f0f-4b1e-9c0a-6d2f5a1f0130",
                "attack_severity": "high",
                "attack_type": "udp_flood",
                "attack_direction": "incoming",
                "attack_protocol": "udp",
                "total_incoming_traffic": 520_000_000,
                "total_incoming_pps": 610_000,
            },
        },
    ),
)


@dataclass(frozen=True)
class Channel:
    """A web server that gets an organization's notices."""

    organization: str
    name: str
    by: str
    url: str


@dataclass(frozen=True)
class Cast:
    """Everything in a new installation, except the providers."""

    organizations: tuple[Organization, ...] = ORGANIZATIONS
    users: tuple[User, ...] = USERS
    plans: tuple[Plan, ...] = ()
    detectors: tuple[Detector, ...] = ()
    channels: tuple[Channel, ...] = ()

    @property
    def has_examples(self) -> bool:
        return bool(self.plans or self.detectors or self.channels)


PROVIDERS = (
    Provider("Northgate Scrubbing", "Northgate", "+1 555 0142", 4646, 4650),
    Provider("Tidewall", "Tidewall", "+1 555 0177", 4647, 4651),
)
