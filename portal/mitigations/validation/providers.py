"""Assign to each provider the targets of a request that it may protect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from portal.core.formatting import listed
from portal.core.targets import IPNetwork, Targets, contains, uri_network
from portal.mitigations.validation.submission import (
    MAX_TARGETS,
    AssignedScope,
    EligibleProvider,
    Errors,
    Policy,
    Submission,
)

SHOWN_LIMITS: Final = 3


def assign_scope(provider: EligibleProvider, scope: Targets, *, port_ranges: int) -> AssignedScope:
    """The targets of `scope` that this provider may protect.

    `port_ranges`: how many the request has.
    """
    reasons = {str(prefix): _why_no_network(provider, prefix) for prefix in scope.prefixes}
    reasons |= dict.fromkeys(scope.fqdns, _why_no_name(provider))
    reasons |= {uri: _why_no_uri(provider, uri) for uri in scope.uris}
    excluded = {target: reason for target, reason in reasons.items() if reason}
    assigned = AssignedScope(provider=provider, scope=scope.without(excluded), excluded=excluded)
    return _within_counts(assigned, port_ranges)


def assign_scopes(
    submission: Submission, scope: Targets, eligible_providers: Sequence[EligibleProvider]
) -> list[AssignedScope]:
    """The scope of each chosen provider, including providers that may protect none of it."""
    wanted = set(submission.subscriptions)
    return [
        assign_scope(provider, scope, port_ranges=len(submission.ports))
        for provider in eligible_providers
        if not wanted or provider.subscription in wanted
    ]


def _within_counts(assigned: AssignedScope, port_ranges: int) -> AssignedScope:
    provider, count = assigned.provider, len(assigned.scope)
    problem, field = "", "targets"
    if provider.max_targets is not None and count > provider.max_targets:
        problem = (
            f"{provider.name} accepts at most {_counted(provider.max_targets, 'target')}; this "
            f"request has {count}"
        )
    elif provider.max_port_ranges is not None and port_ranges > provider.max_port_ranges:
        most = f"at most {_counted(provider.max_port_ranges, 'port range')}"
        problem = f"{provider.name} accepts {most if provider.max_port_ranges else 'no ports'}"
        field = "ports"
    return AssignedScope(
        provider=provider,
        scope=assigned.scope,
        excluded=assigned.excluded,
        problem=problem,
        problem_field=field,
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _why_no_network(provider: EligibleProvider, network: IPNetwork) -> str:
    if provider.limited_to and not any(contains(own, network) for own in provider.limited_to):
        return _may_only(provider)
    longest = provider.longest_prefix_v4 if network.version == 4 else provider.longest_prefix_v6
    if longest is not None and network.prefixlen > longest:
        return f"{provider.name} accepts no IPv{network.version} prefix longer than /{longest}"
    return ""


def _why_no_name(provider: EligibleProvider) -> str:
    """A name has no address here, so a provider limited to certain prefixes cannot protect it."""
    if not provider.takes_names:
        return f"{provider.name} accepts addresses, not names"
    return _may_only(provider) if provider.limited_to else ""


def _why_no_uri(provider: EligibleProvider, uri: str) -> str:
    if not provider.takes_names or not provider.limited_to:
        return _why_no_name(provider)
    network = uri_network(uri)
    return _may_only(provider) if network is None else _why_no_network(provider, network)


def _may_only(provider: EligibleProvider) -> str:
    return f"{provider.name} may protect only {limits_in_words(provider.limited_to)}"


def limits_in_words(prefixes: Sequence[IPNetwork]) -> str:
    first = [str(one) for one in prefixes[:SHOWN_LIMITS]]
    more = len(prefixes) - len(first)
    return listed([*first, f"{more} more"] if more else first)


def chosen_providers(
    submission: Submission,
    eligible_providers: Sequence[EligibleProvider],
    policy: Policy,
    errors: Errors,
) -> list[EligibleProvider]:
    if not eligible_providers:
        errors.add(
            "subscriptions",
            "no-provider",
            (
                f"{policy.organization} has no provider that can be asked. Ask an admin to "
                f"connect one."
            ),
        )
        return []
    if not submission.subscriptions:
        return list(eligible_providers)
    wanted = set(submission.subscriptions)
    chosen = [provider for provider in eligible_providers if provider.subscription in wanted]
    known = {provider.subscription for provider in eligible_providers}
    for index, subscription in enumerate(submission.subscriptions[: MAX_TARGETS + 1]):
        if subscription not in known:
            errors.add(
                f"subscriptions.{index}",
                "unknown-subscription",
                "This provider is not connected for your organization. Choose a listed one.",
            )
    return chosen


def check_any_provider_may(
    assigned_scopes: Sequence[AssignedScope],
    scope: Targets,
    paths: Mapping[str, str],
    errors: Errors,
) -> None:
    """An error at each target that none of the chosen providers may protect, or of which there are
    too many for every provider.
    """
    if not assigned_scopes:
        return
    for target in scope.texts:
        if any(target in assigned.targets for assigned in assigned_scopes):
            continue
        reasons = [assigned.excluded.get(target, "") for assigned in assigned_scopes]
        if all(reasons):
            errors.add(
                paths.get(target, "targets"),
                "nobody-may-protect",
                f"None of the selected providers may protect {target}: {_joined(reasons)}.",
            )
            continue
        troubled = [
            assigned
            for assigned in assigned_scopes
            if assigned.problem and target not in assigned.excluded
        ]
        field = troubled[0].problem_field
        if not any(error.code == "beyond-limits" for error in errors.found):
            more = " Send several requests." if field == "targets" else " Leave some out."
            errors.add(
                field,
                "beyond-limits",
                f"{_joined(assigned.problem for assigned in troubled)}.{more}",
            )


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))
