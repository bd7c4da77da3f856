"""Who is asked, and for what part of it: each provider only for what it may protect."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from portal.core.formatting import listed
from portal.core.targets import IPNetwork, contains, uri_host
from portal.mitigations.models import Targets, every_target
from portal.mitigations.validation.submission import (
    MAX_TARGETS,
    Ask,
    Errors,
    Part,
    Policy,
    Submission,
)

SHOWN_LIMITS: Final = 3


def part_of(ask: Ask, scope: Targets, *, port_ranges: int) -> Part:
    """The part of `scope` that this provider may protect, of a request with so many port ranges."""
    excluded: dict[str, str] = {}
    for prefix in scope["prefixes"]:
        excluded[prefix] = _why_no_network(ask, ipaddress.ip_network(prefix))
    for name in scope["fqdns"]:
        excluded[name] = _why_no_name(ask)
    for uri in scope["uris"]:
        excluded[uri] = _why_no_uri(ask, uri)
    excluded = {target: reason for target, reason in excluded.items() if reason}
    part = Part(
        ask=ask,
        scope={
            "prefixes": [one for one in scope["prefixes"] if one not in excluded],
            "fqdns": [one for one in scope["fqdns"] if one not in excluded],
            "uris": [one for one in scope["uris"] if one not in excluded],
        },
        excluded=excluded,
    )
    return _within_counts(part, port_ranges)


def parts_for(submission: Submission, scope: Targets, asks: Sequence[Ask]) -> list[Part]:
    """Each chosen provider's part, those that may protect nothing included."""
    wanted = set(submission.subscriptions)
    return [
        part_of(ask, scope, port_ranges=len(submission.ports))
        for ask in asks
        if not wanted or ask.subscription in wanted
    ]


def _within_counts(part: Part, port_ranges: int) -> Part:
    ask, count = part.ask, len(every_target(part.scope))
    problem, field = "", "targets"
    if ask.max_targets is not None and count > ask.max_targets:
        problem = (
            f"{ask.provider} takes at most {_counted(ask.max_targets, 'target')}, these are {count}"
        )
    elif ask.max_port_ranges is not None and port_ranges > ask.max_port_ranges:
        most = f"at most {_counted(ask.max_port_ranges, 'port range')}"
        problem = f"{ask.provider} takes {most if ask.max_port_ranges else 'no ports'}"
        field = "ports"
    return Part(
        ask=ask,
        scope=part.scope,
        excluded=part.excluded,
        problem=problem,
        problem_field=field,
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _why_no_network(ask: Ask, network: IPNetwork) -> str:
    if ask.limited_to and not any(contains(own, network) for own in ask.limited_to):
        return _may_only(ask)
    longest = ask.longest_prefix_v4 if network.version == 4 else ask.longest_prefix_v6
    if longest is not None and network.prefixlen > longest:
        return f"{ask.provider} takes no IPv{network.version} prefix longer than /{longest}"
    return ""


def _why_no_name(ask: Ask) -> str:
    """A name has no address here: whoever may protect certain prefixes alone cannot be given one."""
    if not ask.takes_names:
        return f"{ask.provider} takes addresses, not names"
    return _may_only(ask) if ask.limited_to else ""


def _why_no_uri(ask: Ask, uri: str) -> str:
    if not ask.takes_names or not ask.limited_to:
        return _why_no_name(ask)
    try:
        return _why_no_network(ask, ipaddress.ip_network(uri_host(uri)))
    except ValueError:
        return _may_only(ask)


def _may_only(ask: Ask) -> str:
    return f"{ask.provider} may protect only {limits_in_words(ask.limited_to)}"


def limits_in_words(prefixes: Sequence[IPNetwork]) -> str:
    first = [str(one) for one in prefixes[:SHOWN_LIMITS]]
    more = len(prefixes) - len(first)
    return listed([*first, f"{more} more"] if more else first)


def chosen_asks(
    submission: Submission, asks: Sequence[Ask], policy: Policy, errors: Errors
) -> list[Ask]:
    if not asks:
        errors.add(
            "subscriptions",
            "no-provider",
            f"{policy.organization} has no provider that can be asked. Ask an admin to connect one.",
        )
        return []
    if not submission.subscriptions:
        return list(asks)
    wanted = set(submission.subscriptions)
    chosen = [ask for ask in asks if ask.subscription in wanted]
    known = {ask.subscription for ask in asks}
    for index, subscription in enumerate(submission.subscriptions[: MAX_TARGETS + 1]):
        if subscription not in known:
            errors.add(
                f"subscriptions.{index}",
                "unknown-subscription",
                "This provider is not connected for you. Choose a listed one.",
            )
    return chosen


def check_somebody_may(
    parts: Sequence[Part], scope: Targets, paths: Mapping[str, str], errors: Errors
) -> None:
    """An error at each target that nobody chosen may protect, or at what no provider takes that much of."""
    if not parts:
        return
    for target in every_target(scope):
        if any(target in part.targets for part in parts):
            continue
        reasons = [part.excluded.get(target, "") for part in parts]
        if all(reasons):
            errors.add(
                paths.get(target, "targets"),
                "nobody-may-protect",
                f"Nobody chosen may protect {target}: {_joined(reasons)}.",
            )
            continue
        troubled = [part for part in parts if part.problem and target not in part.excluded]
        field = troubled[0].problem_field
        if not any(error.code == "beyond-limits" for error in errors.found):
            more = " Send several requests." if field == "targets" else " Leave some out."
            errors.add(
                field, "beyond-limits", f"{_joined(part.problem for part in troubled)}.{more}"
            )


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(reasons))
