"""The targets: inside the organization's verified resources, and small enough for one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from portal.core.targets import (
    Kind,
    PortRange,
    Target,
    TargetError,
    Targets,
    Territory,
    as_text,
    both_forms,
    former_name,
    read,
    shown,
    why_not,
)
from portal.core.wording.targets import field_error, sentence
from portal.mitigations.validation.encoding import message_bytes
from portal.mitigations.validation.submission import (
    MAX_TARGETS,
    Errors,
    Policy,
    Resource,
    Submission,
)

MESSAGE_LIMIT_BYTES: Final = 1195
"""A CoAP message in one datagram of 1280 bytes over DTLS and IPv6 (RFC 9132 section 7.3)."""


def typed_targets(
    submission: Submission,
    territory: Territory,
    policy: Policy,
    errors: Errors,
    paths: dict[str, str],
) -> Targets:
    """The typed targets in normal form; `paths` records where each was typed."""
    typed = (
        (Kind.PREFIX, "targets.prefixes", submission.prefixes),
        (Kind.FQDN, "targets.fqdns", submission.fqdns),
        (Kind.URI, "targets.uris", submission.uris),
    )
    return Targets.of(
        target
        for kind, path, texts in typed
        for target in _each(texts, path, kind, territory, policy, errors, paths)
    )


def _each(
    texts: Sequence[str],
    path: str,
    kind: Kind,
    territory: Territory,
    policy: Policy,
    errors: Errors,
    paths: dict[str, str],
) -> list[Target]:
    if len(texts) > MAX_TARGETS:
        errors.add(
            path,
            "too-many",
            f"{len(texts):,} targets are too many: at most {MAX_TARGETS} fit one request.",
        )
        return []
    targets: list[Target] = []
    for index, text in enumerate(texts):
        try:
            target = read(text, kind)
        except TargetError as error:
            errors.take(field_error(f"{path}.{index}", error))
            continue
        if territory.has(target):
            targets.append(target)
            paths.setdefault(str(target), f"{path}.{index}")
        else:
            message = _not_own(target, policy) + _former(text, target, territory)
            errors.add(f"{path}.{index}", "not-verified", message)
    return targets


def _not_own(target: Target, policy: Policy) -> str:
    admins = f" ({', '.join(policy.admins[:2])})" if policy.admins else ""
    return (
        f"{shown(both_forms(str(target)))} is not one of {policy.organization}’s verified "
        f"resources. "
        f"Ask an admin{admins} to add it, or choose a listed one."
    )


def _former(text: str, target: Target, territory: Territory) -> str:
    """A resource that was added when the portal confused two domains."""
    former = former_name(text) if target.kind == Kind.FQDN else ""
    if not former or not territory.has_name(former):
        return ""
    return (
        f" {shown(former)} is, but that is another domain: an earlier release of the portal "
        f"confused the two."
    )


def ticked_resources(
    submission: Submission,
    by_id: Mapping[UUID, Resource],
    errors: Errors,
    paths: dict[str, str],
) -> list[Resource]:
    """Each once, however often the submission names it."""
    ticked: dict[UUID, Resource] = {}
    for index, resource_id in enumerate(submission.resources[: MAX_TARGETS + 1]):
        path, resource = f"targets.resources.{index}", by_id.get(resource_id)
        if resource is None:
            errors.add(
                path,
                "unknown-resource",
                "This resource is not verified or no longer exists. Choose another.",
            )
        elif problem := why_not(resource.target):
            errors.add(path, problem.code, _cannot_be_asked(resource, problem))
        else:
            ticked[resource_id] = resource
            paths.setdefault(str(resource.target), path)
    return list(ticked.values())


def _cannot_be_asked(resource: Resource, problem: TargetError) -> str:
    """The problem of a resource that was verified under older rules."""
    instead = f" by {as_text(problem.suggestions[0])}" if problem.suggestions else ""
    return f"{resource.name}: {sentence(problem)} Ask an admin to replace the resource{instead}."


def whole_scope(targets: Targets, ticked: Sequence[Resource]) -> Targets:
    resources = Targets.of(one.target for one in ticked)
    return Targets(
        prefixes=tuple(sorted({*targets.prefixes, *resources.prefixes}, key=str)),
        fqdns=tuple(sorted({*targets.fqdns, *resources.fqdns})),
        uris=tuple(sorted({*targets.uris, *resources.uris})),
    )


def count_targets(
    scope: Targets, ports: Sequence[PortRange], protocols: Sequence[int], errors: Errors
) -> None:
    if not scope and not any(one.field.startswith("targets") for one in errors.found):
        errors.add("targets", "required", "Choose at least one target. Nothing was sent.")
    if len(scope) > MAX_TARGETS:
        errors.add(
            "targets",
            "too-many",
            (
                f"There are {len(scope)} targets: at most {MAX_TARGETS} fit one "
                f"request. Send several requests."
            ),
        )
        return
    if not scope:
        return
    size = message_bytes(scope, ports=ports, protocols=protocols)
    if size > MESSAGE_LIMIT_BYTES:
        errors.add(
            "targets",
            "too-large",
            f"These {len(scope)} targets do not fit one message ({size:,} of "
            f"{MESSAGE_LIMIT_BYTES:,} bytes). Send them as two requests, or use larger prefixes.",
        )


def check_sizes(scope: Targets, policy: Policy, paths: Mapping[str, str], errors: Errors) -> None:
    """An error at each prefix that is larger than the organization's policy allows."""
    for prefix in scope.prefixes:
        shortest = policy.shortest_prefix_v4 if prefix.version == 4 else policy.shortest_prefix_v6
        if shortest is None or prefix.prefixlen >= shortest:
            continue
        errors.add(
            paths.get(str(prefix), "targets"),
            "prefix-too-large",
            f"{prefix} is too large: {policy.organization} allows at most a /{shortest} of "
            f"IPv{prefix.version}. Choose a part of it.",
        )


def request_name(
    targets: Targets, ticked: Sequence[Resource], resources: Sequence[Resource]
) -> str:
    """The names of its resources, whether ticked or typed; a target that equals none keeps its
    address.
    """
    names = {str(one.target): one.name for one in reversed(resources)}
    typed = (names.get(one, one) for one in targets.texts)
    parts = list(dict.fromkeys([*(one.name for one in ticked), *typed]))
    if not parts:
        return ""
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return f"{parts[0][:150]}{more}"
