"""When the next provider is asked: a pure function of the legs before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import Status

_WORDS: Final = {
    Status.REFUSED: "{provider} refused",
    Status.EXCEEDED: "{provider} is over capacity",
    Status.WITHDRAWN: "{provider} stopped by itself",
}


def reason_to_ask_next(legs: Sequence[Mitigation]) -> str:
    """Why nobody asked so far helps, in words that name the last one; empty while somebody does or may."""
    reasons = [_why_no_help(leg) for leg in legs]
    return reasons[-1] if reasons and all(reasons) else ""


def _why_no_help(leg: Mitigation) -> str:
    if leg.wanted == Wanted.WITHDRAWN:
        return ""
    provider = leg.subscription.provider.short_name
    status = Status(leg.status)
    if status in _WORDS:
        return _WORDS[status].format(provider=provider)
    if status == Status.PENDING and leg.retry_at is not None:
        return f"{provider} asked the portal to wait"
    if status == Status.PENDING and leg.overdue_at is not None:
        return f"{provider} did not answer"
    return ""
