"""The message that an extension would send to each provider, beside the last one; neither sent nor
saved.
"""

from __future__ import annotations

from dataclasses import dataclass

from dots_client import Composed, compose
from portal.mitigations import queries
from portal.mitigations.failover import current_mitigations
from portal.mitigations.models import Mitigation, MitigationRequest, Wanted
from portal.mitigations.services.extend import refuse_extension
from portal.mitigations.states import CONFIRMED, Status
from portal.mitigations.validation import MESSAGE_LIMIT_BYTES, can_be_sent, within_limits
from portal.signaling.mapping import scope_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshMessage:
    """One provider's message, before and after the extension."""

    mitigation: Mitigation
    before: Composed | None
    "None: nothing has been sent to it yet"
    after: Composed
    is_confirmed: bool
    "the provider has confirmed the last message"
    lifetime_s: int
    "the requested lifetime, within the provider's own limits"
    limit: int = MESSAGE_LIMIT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What would be sent, in the order in which the providers were asked."""

    lifetime_s: int
    messages: tuple[RefreshMessage, ...]


def extension(request: MitigationRequest, lifetime_s: int) -> Extension:
    """Raises the same errors as extending the request."""
    refuse_extension(request, lifetime_s)
    mitigations = current_mitigations(request.mitigations.all())
    for mitigation in mitigations:
        mitigation.request = request
    return Extension(
        lifetime_s=lifetime_s,
        messages=tuple(
            _refresh_message(mitigation, lifetime_s)
            for mitigation in mitigations
            if _gets_message(mitigation)
        ),
    )


def _gets_message(mitigation: Mitigation) -> bool:
    """Whether the provider has confirmed, or is being asked. One that refused gets the new lifetime
    with its next request.
    """
    is_wanted = mitigation.wanted == Wanted.ACTIVE and mitigation.status in (
        Status.PENDING,
        *CONFIRMED,
    )
    return is_wanted and can_be_sent(scope_of(mitigation, lifetime_s=mitigation.lifetime_s))


def _refresh_message(mitigation: Mitigation, lifetime_s: int) -> RefreshMessage:
    granted_s = within_limits(lifetime_s, queries.eligible_provider(mitigation.subscription))
    return RefreshMessage(
        mitigation=mitigation,
        before=None if mitigation.sent_at is None else _composed(mitigation, mitigation.lifetime_s),
        after=_composed(mitigation, granted_s),
        is_confirmed=mitigation.status in CONFIRMED and not mitigation.is_extended,
        lifetime_s=granted_s,
    )


def _composed(mitigation: Mitigation, lifetime_s: int) -> Composed:
    return compose(
        scope_of(mitigation, lifetime_s=lifetime_s),
        cuid=mitigation.subscription.cuid,
        mid=mitigation.mid,
    )
