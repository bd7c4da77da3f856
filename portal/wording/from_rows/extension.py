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
from portal.wording.extension_text import if_requested_later


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutMessage:
    """A provider that gets no message, with the reason as text."""

    subscription: Subscription
    reason: str


def without_message(
    facts: wording.RequestFacts,
    subscriptions: Mapping[str, Subscription],
    *,
    with_message: Collection[UUID],
    lifetime_s: int,
    now: datetime,
) -> list[WithoutMessage]:
    """Every provider that the request names except those `with_message`, in the order of asking."""
    silent: list[WithoutMessage] = []
    for at, mitigation in enumerate(facts.mitigations):
        subscription = subscriptions[mitigation.subscription]
        if subscription.pk in with_message:
            continue
        fact, rest = wording.tell(
            mitigation, now, before=facts.mitigations[:at], patience_s=facts.patience_s
        )
        granted_s = within_limits(lifetime_s, queries.eligible_provider(subscription))
        later = if_requested_later(mitigation, granted_s, now)
        reason = " ".join(part for part in (fact, rest, later) if part)
        silent.append(WithoutMessage(subscription=subscription, reason=reason))
    return silent
