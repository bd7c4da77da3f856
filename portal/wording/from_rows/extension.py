"""The providers that get no message when a request is extended, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal import wording
from portal.mitigations import queries
from portal.mitigations.validation import within_limits
from portal.providers.models import Subscription
from portal.wording.extension_text import if_asked_later


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTold:
    """A provider that gets no message, with the reason as text."""

    subscription: Subscription
    reason: str


def not_told(
    facts: wording.RequestFacts,
    subscriptions: Mapping[str, Subscription],
    *,
    told: Collection[UUID],
    lifetime_s: int,
    now: datetime,
) -> list[NotTold]:
    """Every provider that the request names except those in `told`, in the order of asking."""
    silent: list[NotTold] = []
    for at, mitigation in enumerate(facts.mitigations):
        subscription = subscriptions[mitigation.subscription]
        if subscription.pk in told:
            continue
        fact, rest = wording.tell(
            mitigation, now, before=facts.mitigations[:at], patience_s=facts.patience_s
        )
        granted_s = within_limits(lifetime_s, queries.eligible_provider(subscription))
        later = if_asked_later(mitigation, granted_s, now)
        reason = " ".join(part for part in (fact, rest, later) if part)
        silent.append(NotTold(subscription=subscription, reason=reason))
    return silent
