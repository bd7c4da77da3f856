"""What the portal may do automatically because of a detector. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from portal.core.targets import IPNetwork, Targets, contains

MAX_PREFIXES: Final = 50
HOURS_OF_A_DAY: Final = 24
RANGES: Final = {
    "min_severity": (0, 4),
    "largest_v4": (8, 32),
    "largest_v6": (16, 128),
    "from_hour": (0, HOURS_OF_A_DAY),
    "to_hour": (0, HOURS_OF_A_DAY),
    "max_per_hour": (1, 100),
    "hold_down_s": (10, 86_400),
}
"""The least and the most of each number."""


class AutomaticMode(StrEnum):
    """Whether the portal acts without a person."""

    OFF = "off"
    WATCH = "watch"
    "it records what it would have done"
    ON = "on"


class Automatic(StrEnum):
    """What the portal did with a proposal automatically, or why it left it to a person. Stable,
    because the API returns it.
    """

    SENT = "sent"
    WOULD = "would"
    "it only watches, and would have sent it"
    SEVERITY = "severity"
    PREFIX = "prefix"
    SIZE = "size"
    HOURS = "hours"
    COUNT = "count"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPolicy:
    """The limits within which alerts of one detector are enough."""

    mode: AutomaticMode = AutomaticMode.OFF
    min_severity: int = 3
    "an alert without a severity has 0"
    prefixes: tuple[IPNetwork, ...] = ()
    "empty: all verified resources"
    largest_v4: int = 32
    "the length of the largest prefix that it may request"
    largest_v6: int = 128
    from_hour: int = 0
    to_hour: int = HOURS_OF_A_DAY
    "UTC; below `from_hour`: of the next day"
    max_per_hour: int = 3
    hold_down_s: int = 300
    "how long after the reported end an alert begins the same incident again"
    terminates: bool = False
    "it also terminates what it requested, after the end"


def why_not(
    policy: EndpointPolicy,
    *,
    targets: Targets,
    severity: int | None,
    now: datetime,
    lately: int,
) -> Automatic | None:
    """Why a request for `targets` needs a person; None: the policy allows it. `lately`: how many
    requests the last hour has had.
    """
    if (severity or 0) < policy.min_severity:
        return Automatic.SEVERITY
    if policy.prefixes and not all(_is_named(policy, one) for one in targets.prefixes):
        return Automatic.PREFIX
    if policy.prefixes and (targets.fqdns or targets.uris):
        return Automatic.PREFIX
    largest = {4: policy.largest_v4, 6: policy.largest_v6}
    if any(one.prefixlen < largest[one.version] for one in targets.prefixes):
        return Automatic.SIZE
    if not _is_time(policy, now):
        return Automatic.HOURS
    return Automatic.COUNT if lately >= policy.max_per_hour else None


def _is_named(policy: EndpointPolicy, prefix: IPNetwork) -> bool:
    return any(contains(own, prefix) for own in policy.prefixes)


def _is_time(policy: EndpointPolicy, now: datetime) -> bool:
    if policy.from_hour <= policy.to_hour:
        return policy.from_hour <= now.hour < policy.to_hour
    return now.hour >= policy.from_hour or now.hour < policy.to_hour
