"""Check a submission against live requests: which ones it would replace, and whether a person
consented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from portal.mitigations import queries
from portal.mitigations.consent import Consent
from portal.mitigations.models import Mitigation
from portal.mitigations.replacement import Proposal, Replaced, would_replace
from portal.mitigations.resubmission import (
    joined,
    normalized,
    resubmission,
    resubmission_of_unknown,
)
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import (
    Checked,
    EligibleProvider,
    Policy,
    Resource,
    Submission,
    check,
)
from portal.organizations.models import Organization


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What an organization's submissions are checked against, read once."""

    resources: Sequence[Resource]
    eligible_providers: Sequence[EligibleProvider]
    policy: Policy

    @classmethod
    def of(cls, organization: Organization) -> CheckContext:
        return cls(
            resources=queries.verified_resources(organization),
            eligible_providers=queries.eligible_providers(organization),
            policy=queries.policy(organization),
        )

    def holds(self, organization: Organization) -> bool:
        """Whether the rows are still the same, of which `organization` was just read."""
        return (
            replace(self.policy, admins=()) == queries.policy_without_admins(organization)
            and self.resources == queries.verified_resources(organization)
            and self.eligible_providers == queries.eligible_providers(organization)
        )

    def check(self, submission: Submission) -> Checked:
        """Raises Invalid with every invalid field."""
        return check(
            submission,
            resources=self.resources,
            eligible_providers=self.eligible_providers,
            policy=self.policy,
        )


def check_with_consent(
    check_context: CheckContext,
    submission: Submission,
    checked: Checked,
    consent: Consent,
    *,
    live: Sequence[Mitigation | Unknown],
) -> tuple[Checked, list[Replaced]]:
    """The request to send, and what it replaces with consent.

    Raises WouldReplace if consent is missing, and Invalid if one request cannot cover all of them
    together.
    """
    found = would_replace(Proposal.of(checked), live)
    if consent.is_joint:
        checked, found = joint_request(check_context, submission, checked, found, live=live)
    consent.check(found)
    return checked, found


def joint_request(
    check_context: CheckContext,
    submission: Submission,
    checked: Checked,
    found: list[Replaced],
    *,
    live: Sequence[Mitigation | Unknown],
) -> tuple[Checked, list[Replaced]]:
    """One request for everything in `checked` and in the requests it would replace.

    The joint request may go to further providers and overlap other requests there; it includes
    those too. Raises Invalid if one request cannot cover all of it.
    """
    known: set[object] = set()
    while {one.id for one in found} != known:
        known = {one.id for one in found}
        others = (_resubmission_of(one, check_context) for one in found)
        submission = joined(normalized(submission, checked), *others)
        checked = check_context.check(submission)
        found = would_replace(Proposal.of(checked), live)
    return checked, found


def _resubmission_of(replaced: Replaced, check_context: CheckContext) -> Submission:
    subscriptions = {provider.subscription for provider in check_context.eligible_providers}
    if isinstance(replaced.what, Unknown):
        return resubmission_of_unknown(replaced.what, subscriptions=subscriptions)
    resources = {resource.id for resource in check_context.resources}
    return resubmission(replaced.what, resources=resources, subscriptions=subscriptions)
