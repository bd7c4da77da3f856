"""Sentences about limits on requests."""

from __future__ import annotations

from portal.accounts.actors import Actor
from portal.accounts.wording import who, who_first
from portal.mitigations.quota import Excess, Quota

RAISE = "ask the portal’s staff to raise the limit"


def quota_sentence(excess: Excess, *, organization: str, actor: Actor) -> str:
    """What is exceeded, and what to do, for the actor who reads it."""
    limit, usage = excess.limit, excess.usage
    match excess.code:
        case Quota.PERSON:
            return (
                f"You have {_live(usage.live)} in {organization}; the limit for one person is "
                f"{limit:,}. "
                f"Terminate one, extend one that already covers these targets, let a colleague "
                f"send this one, or {RAISE}."
            )
        case Quota.ACTOR:
            return (
                f"{who_first(actor)} has {_live(usage.live)}; its limit is {limit:,}. "
                f"Terminate one, extend one that already covers these targets, or {RAISE}."
            )
        case Quota.ORGANIZATION:
            return (
                f"{organization} has {_live(usage.live)}; its limit is {limit:,}. "
                f"Terminate one, extend one that already covers these targets, or {RAISE}."
            )
        case Quota.ENDING:
            whose = organization
            if excess.is_own:
                whose = "yours" if actor.user is not None else who(actor)
            return (
                f"{usage.ending:,} requests of {whose} are still ending; the limit is {limit:,}. "
                f"Retry when providers have confirmed the end of some of them."
            )
        case Quota.ENDING_MITIGATIONS:
            return (
                f"{usage.ending:,} mitigations of this request are still ending; the limit is "
                f"{limit:,}. Retry when providers have confirmed the end of some of them."
            )


def _live(count: int) -> str:
    return "1 live request" if count == 1 else f"{count:,} live requests"
