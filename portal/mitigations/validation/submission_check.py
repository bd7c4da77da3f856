"""The complete check of a submission."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portal.core.errors import Invalid
from portal.core.targets import Territory
from portal.mitigations.models import Strategy
from portal.mitigations.validation.encoding import check_encodes
from portal.mitigations.validation.lifetimes import checked_lifetime
from portal.mitigations.validation.ports_and_protocols import checked_ports, checked_protocols
from portal.mitigations.validation.providers import (
    assign_scopes,
    check_any_provider_may,
    chosen_providers,
)
from portal.mitigations.validation.submission import (
    Checked,
    EligibleProvider,
    Errors,
    Policy,
    Resource,
    Submission,
)
from portal.mitigations.validation.targets import (
    check_sizes,
    count_targets,
    request_name,
    ticked_resources,
    typed_targets,
    whole_scope,
)

MAX_REASON_LENGTH: Final = 2000


def check(
    submission: Submission,
    *,
    resources: Sequence[Resource],
    eligible_providers: Sequence[EligibleProvider],
    policy: Policy,
) -> Checked:
    """`submission` in normal form; Invalid with every invalid field."""
    errors = Errors()
    by_id = {resource.id: resource for resource in resources}
    territory = Territory.of(resource.target for resource in resources)
    paths: dict[str, str] = {}
    targets = typed_targets(submission, territory, policy, errors, paths)
    ticked = ticked_resources(submission, by_id, errors, paths)
    chosen = chosen_providers(submission, eligible_providers, policy, errors)
    scope = whole_scope(targets, ticked)
    check_sizes(scope, policy, paths, errors)
    ports = checked_ports(submission, errors)
    protocols = checked_protocols(submission, errors)
    count_targets(scope, ports, protocols, errors)
    assigned_scopes = assign_scopes(submission, scope, chosen)
    check_any_provider_may(assigned_scopes, scope, paths, errors)
    able = [assigned for assigned in assigned_scopes if assigned.is_able]
    providers = [assigned.provider for assigned in able] or chosen
    lifetime_s = checked_lifetime(submission, providers, policy, errors)
    reason = _reason(submission, errors)
    if submission.strategy not in Strategy.values:
        errors.add("strategy", "unknown-strategy", "Choose one after the other or all at once.")
    if not errors.found:
        check_encodes(
            able,
            ports=ports,
            protocols=protocols,
            lifetime_s=lifetime_s,
            paths=paths,
            errors=errors,
        )
    if errors.found:
        raise Invalid(_headline(len(errors.found)), errors=errors.found)
    return Checked(
        name=request_name(targets, ticked, resources),
        asked=targets,
        scope=scope,
        resources=tuple(resource.id for resource in ticked),
        ports=ports,
        protocols=protocols,
        lifetime_s=lifetime_s,
        auto_renew=submission.auto_renew,
        strategy=Strategy(submission.strategy),
        assigned_scopes={assigned.provider.subscription: assigned for assigned in able},
        reason=reason,
    )


def _headline(count: int) -> str:
    return (
        "Nothing was sent. Correct one thing."
        if count == 1
        else f"Nothing was sent. Correct {count} things."
    )


def _reason(submission: Submission, errors: Errors) -> str:
    reason = submission.reason.strip()
    if len(reason) > MAX_REASON_LENGTH:
        errors.add(
            "reason",
            "too-long",
            f"The reason has {len(reason):,} characters: at most {MAX_REASON_LENGTH:,} are "
            "allowed.",
        )
    if "\0" in reason:
        errors.add(
            "reason",
            "odd-characters",
            "The reason contains characters that are not allowed. Type it again.",
        )
    return reason
