"""The message that a submission would send to each provider, composed by the client's own code,
neither sent nor saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dots_client import compose
from portal.mitigations import queries
from portal.mitigations.failover import due
from portal.mitigations.models import Mitigation, MitigationRequest, Strategy
from portal.mitigations.replacement import Proposal, Replaced, would_replace
from portal.mitigations.validation import (
    MESSAGE_LIMIT_BYTES,
    AssignedScope,
    Checked,
    Submission,
    assign_scopes,
    check,
    within_limits,
)
from portal.organizations.models import Organization
from portal.providers.models import Subscription
from portal.signaling.mapping import scope_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The message for one provider, as it would be sent now."""

    subscription: Subscription
    assigned: AssignedScope
    after: tuple[str, ...]
    "the providers that have to fail before this one is asked; empty: it is asked at once"
    lifetime_s: int
    path: str
    body: Any
    "with the names of RFC 9132"
    octets: bytes
    "the encoded body"
    size: int
    "bytes of the whole message"
    limit: int = MESSAGE_LIMIT_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be sent, in the order in which the providers are asked."""

    checked: Checked
    planned: tuple[Planned, ...]
    left_out: tuple[AssignedScope, ...]
    "the chosen providers that can protect none of the targets"
    replaced: tuple[Replaced, ...]
    "the live requests that sending it would replace"


def preview(organization: Organization, submission: Submission) -> Preview:
    """Raises Invalid with every wrong field, as submitting does."""
    eligible_providers = queries.eligible_providers(organization)
    checked = check(
        submission,
        resources=queries.verified_resources(organization),
        eligible_providers=eligible_providers,
        policy=queries.policy(organization),
    )
    by_id = {one.pk: one for one in queries.subscriptions(organization)}
    request = _unsaved(organization, checked)
    assigned_scopes = list(checked.assigned_scopes.values())
    return Preview(
        checked=checked,
        planned=tuple(
            _planned(
                by_id[assigned.provider.subscription],
                request,
                assigned,
                after=_after(assigned, assigned_scopes, checked),
            )
            for assigned in assigned_scopes
        ),
        left_out=tuple(
            assigned
            for assigned in assign_scopes(submission, checked.scope, eligible_providers)
            if not assigned.is_able
        ),
        replaced=tuple(would_replace(Proposal.of(checked), queries.replaceable(organization.pk))),
    )


def _after(
    assigned: AssignedScope, assigned_scopes: Sequence[AssignedScope], checked: Checked
) -> tuple[str, ...]:
    """The providers that are asked for the same targets before this one."""
    at_once = {one.subscription for one in due(checked.scopes, [])}
    if checked.strategy == Strategy.PARALLEL or assigned.provider.subscription in at_once:
        return ()
    before = assigned_scopes[: assigned_scopes.index(assigned)]
    return tuple(
        one.provider.name for one in before if not set(one.targets).isdisjoint(assigned.targets)
    )


def _unsaved(organization: Organization, checked: Checked) -> MitigationRequest:
    return MitigationRequest(
        organization=organization,
        scope=checked.scope,
        ports=checked.ports,
        protocols=checked.protocols,
        lifetime_s=checked.lifetime_s,
    )


def _planned(
    subscription: Subscription,
    request: MitigationRequest,
    assigned: AssignedScope,
    *,
    after: tuple[str, ...],
) -> Planned:
    """Uses the next free mid, which another request may take first."""
    mitigation = Mitigation(request=request, subscription=subscription, scope=assigned.scope)
    lifetime_s = within_limits(request.lifetime_s, assigned.provider)
    composed = compose(
        scope_of(mitigation, lifetime_s=lifetime_s),
        cuid=subscription.cuid,
        mid=subscription.next_mid,
    )
    return Planned(
        subscription=subscription,
        assigned=assigned,
        after=after,
        lifetime_s=lifetime_s,
        path=composed.path,
        body=composed.body,
        octets=composed.payload,
        size=composed.size,
    )
