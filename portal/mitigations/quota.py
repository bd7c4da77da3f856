"""How many live requests an organization, and each of its actors, may have (ADR 50).

Live requests are immediate requests that are not ending. Requests that are ending have a separate
limit, so that a terminated request makes room at once, and a caller that submits and terminates
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portal.core.errors import Conflict

ENDING_FACTOR: Final = 3
"""How many times the limit on live requests may still be ending. A person who terminates every
request can then request all of it again at once.
"""
MIN_ENDING: Final = 30
"""At least this many requests may still be ending, however low the limit on live requests is."""
MAX_ENDING_PER_REQUEST: Final = 20
"""Mitigations of one request that are ending: asking a withdrawn provider starts another one."""
RETRY_ENDING_AFTER_S: Final = 30


class Quota(StrEnum):
    """The code of each limit."""

    ORGANIZATION = "quota-organization"
    PERSON = "quota-person"
    ACTOR = "quota-actor"
    "the same for an actor that is no person, such as a service token"
    ENDING = "quota-ending"
    "too many requests of the organization, or of the actor, are still ending"
    ENDING_MITIGATIONS = "quota-ending-mitigations"
    "too many mitigations of one request are still ending"


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of an organization or of one of its actors."""

    live: int = 0
    ending: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.live + other.live, self.ending + other.ending)

    @property
    def replaced(self) -> Usage:
        """The same requests, about to be replaced."""
        return Usage(live=0, ending=self.live + self.ending)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """The limit that another request would exceed."""

    code: Quota
    limit: int
    usage: Usage
    is_own: bool
    "of the actor, not of the organization"


def excess(
    organization: Usage,
    own: Usage,
    *,
    limit: int,
    own_limit: int,
    is_person: bool,
    is_immediate: bool = True,
) -> Excess | None:
    """The first limit that one more request would exceed; None if it may be submitted.

    `own`: the part of `organization` that belongs to the actor. Plans and drills, which are not
    immediate, have only the limit on requests that are ending.
    """
    scopes = (
        (Quota.PERSON if is_person else Quota.ACTOR, own, own_limit, True),
        (Quota.ORGANIZATION, organization, limit, False),
    )
    for code, usage, most, is_own in scopes:
        if is_immediate and usage.live >= most:
            return Excess(code=code, limit=most, usage=usage, is_own=is_own)
        most_ending = max(ENDING_FACTOR * most, MIN_ENDING)
        if usage.ending >= most_ending:
            return Excess(code=Quota.ENDING, limit=most_ending, usage=usage, is_own=is_own)
    return None


class QuotaExceeded(Conflict):
    """The organization, or the actor, has too many requests. Nothing was sent."""

    title = "The limit on live requests is reached"

    def __init__(self, found: Excess, sentence: str) -> None:
        super().__init__(f"Nothing was sent. {sentence}", code=found.code)
        self.excess = found
        self.sentence = sentence
        if found.code in (Quota.ENDING, Quota.ENDING_MITIGATIONS):
            self.retry_after_s = RETRY_ENDING_AFTER_S

    @property
    def members(self) -> Mapping[str, object]:
        usage = self.excess.usage
        return {"limit": self.excess.limit, "live": usage.live, "ending": usage.ending}
