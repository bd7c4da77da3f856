"""A submission checked against an organization's resources, providers and policy: a pure function.

Field paths are those of the API ("targets.prefixes.0"), so that pages and programs are told the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

from portal.core.errors import FieldError, Invalid
from portal.core.targets import (
    MAX_TARGET_LENGTH,
    TargetError,
    Territory,
    parse_fqdn,
    parse_prefix,
    parse_uri,
    shown,
)
from portal.mitigations.models import Port, Strategy, Targets

MAX_TARGETS: Final = 32
MAX_PORT_RANGES: Final = 32
MAX_PROTOCOLS: Final = 32
MAX_REASON_LENGTH: Final = 2000
MAX_NAMED_ERRORS: Final = 20
MIN_LIFETIME_S: Final = 30
INDEFINITE: Final = -1

MESSAGE_LIMIT_BYTES: Final = 1195
"""A CoAP message in one datagram of 1280 bytes over DTLS and IPv6 (RFC 9132 section 7.3)."""
MESSAGE_OVERHEAD_BYTES: Final = 140
"""Header, token, path options and the fixed parts of the body, rounded up."""


_Target = TypeVar("_Target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a person asked for, as typed: nothing of it is checked yet."""

    prefixes: tuple[str, ...] = ()
    fqdns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    resources: tuple[UUID, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()
    protocols: tuple[int, ...] = ()
    lifetime_s: int | None = None
    "None: the organization's default; -1: until terminated"
    auto_renew: bool = True
    strategy: str = Strategy.FAILOVER
    subscriptions: tuple[UUID, ...] = ()
    "empty: all enabled ones, in priority order"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A verified resource of the organization."""

    id: UUID
    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A provider that may be asked, with its known limits."""

    subscription: UUID
    provider: str
    max_lifetime_s: int | None = None
    max_targets: int | None = None
    may_be_indefinite: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the organization allows."""

    organization: str
    default_lifetime_s: int
    max_lifetime_s: int
    may_be_indefinite: bool
    admins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A submission that may be sent: normal forms, everything inside the organization's resources."""

    name: str
    asked: Targets
    scope: Targets
    resources: tuple[UUID, ...]
    ports: list[Port]
    protocols: list[int]
    lifetime_s: int
    auto_renew: bool
    strategy: Strategy
    subscriptions: tuple[UUID, ...]
    reason: str


@dataclass(slots=True)
class _Errors:
    found: list[FieldError] = field(default_factory=list)

    def add(
        self, field_path: str, code: str, message: str, error: TargetError | None = None
    ) -> None:
        if len(self.found) < MAX_NAMED_ERRORS:
            fixes = error.fixes if error else ()
            self.found.append(FieldError(field=field_path, code=code, message=message, fixes=fixes))


def check(
    submission: Submission, *, resources: Sequence[Resource], asks: Sequence[Ask], policy: Policy
) -> Checked:
    """`submission` in normal form; Invalid with every field that is wrong."""
    errors = _Errors()
    by_id = {resource.id: resource for resource in resources}
    territory = Territory.of((resource.kind, resource.value) for resource in resources)
    targets = _targets(submission, territory, policy, errors)
    ticked = _ticked(submission, by_id, errors)
    chosen = _asks(submission, asks, policy, errors)
    scope = _scope(targets, ticked)
    _count_targets(submission, scope, chosen, errors)
    ports = _ports(submission, errors)
    protocols = _protocols(submission, errors)
    lifetime_s = _lifetime(submission, chosen, policy, errors)
    reason = _reason(submission, errors)
    if submission.strategy not in Strategy.values:
        errors.add("strategy", "unknown-strategy", "Choose one after the other or all at once.")
    if errors.found:
        raise Invalid(_headline(len(errors.found)), errors=errors.found)
    return Checked(
        name=_name(targets, ticked),
        asked=targets,
        scope=scope,
        resources=tuple(resource.id for resource in ticked),
        ports=ports,
        protocols=protocols,
        lifetime_s=lifetime_s,
        auto_renew=submission.auto_renew,
        strategy=Strategy(submission.strategy),
        subscriptions=tuple(ask.subscription for ask in chosen),
        reason=reason,
    )


def _headline(count: int) -> str:
    return (
        "Nothing was sent. Correct one thing."
        if count == 1
        else f"Nothing was sent. Correct {count} things."
    )


def _targets(
    submission: Submission, territory: Territory, policy: Policy, errors: _Errors
) -> Targets:
    return {
        "prefixes": _each(
            submission.prefixes,
            "targets.prefixes",
            parse_prefix,
            territory.has_network,
            policy,
            errors,
        ),
        "fqdns": _each(
            submission.fqdns, "targets.fqdns", parse_fqdn, territory.has_name, policy, errors
        ),
        "uris": _each(
            submission.uris, "targets.uris", parse_uri, territory.has_uri, policy, errors
        ),
    }


def _each(
    texts: Sequence[str],
    path: str,
    parse: Callable[[str], _Target],
    is_own: Callable[[_Target], bool],
    policy: Policy,
    errors: _Errors,
) -> list[str]:
    if len(texts) > MAX_TARGETS:
        errors.add(
            path,
            "too-many",
            f"{len(texts):,} targets are too many: at most {MAX_TARGETS} fit one request.",
        )
        return []
    values: dict[str, None] = {}
    for index, text in enumerate(texts):
        try:
            target = parse(_short(text.strip()))
        except TargetError as error:
            errors.add(f"{path}.{index}", error.code, error.message, error)
            continue
        if is_own(target):
            values[str(target)] = None
        else:
            errors.add(f"{path}.{index}", "not-verified", _not_own(str(target), policy))
    return list(values)


def _short(text: str) -> str:
    if len(text) > MAX_TARGET_LENGTH or "\0" in text:
        raise TargetError(
            "not-a-target", f"{shown(text)} is not a target: it is too long or has odd characters."
        )
    return text


def _not_own(target: str, policy: Policy) -> str:
    admins = f" ({', '.join(policy.admins[:2])})" if policy.admins else ""
    return (
        f"{shown(target)} is not one of {policy.organization}’s verified resources. "
        f"Ask an admin{admins} to add it, or choose a listed one."
    )


def _ticked(
    submission: Submission, by_id: Mapping[UUID, Resource], errors: _Errors
) -> list[Resource]:
    ticked = []
    for index, resource_id in enumerate(submission.resources[: MAX_TARGETS + 1]):
        if resource_id in by_id:
            ticked.append(by_id[resource_id])
        else:
            errors.add(
                f"targets.resources.{index}",
                "unknown-resource",
                "This resource is not verified or no longer exists. Choose another.",
            )
    return ticked


def _asks(
    submission: Submission, asks: Sequence[Ask], policy: Policy, errors: _Errors
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


def _scope(targets: Targets, ticked: Sequence[Resource]) -> Targets:
    def merged(kind: str, typed: list[str]) -> list[str]:
        return sorted({*typed, *(one.value for one in ticked if one.kind == kind)})

    return {
        "prefixes": merged("prefix", targets["prefixes"]),
        "fqdns": merged("fqdn", targets["fqdns"]),
        "uris": merged("uri", targets["uris"]),
    }


def _count_targets(
    submission: Submission, scope: Targets, chosen: Sequence[Ask], errors: _Errors
) -> None:
    targets = [*scope["prefixes"], *scope["fqdns"], *scope["uris"]]
    if not targets and not errors.found:
        errors.add("targets", "required", "Choose at least one target. Nothing was sent.")
    limit = min([MAX_TARGETS, *(ask.max_targets for ask in chosen if ask.max_targets)])
    if len(targets) > limit:
        errors.add(
            "targets",
            "too-many",
            f"These are {len(targets)} targets: at most {limit} fit one request. Send several requests.",
        )
        return
    size = message_bytes(targets, ports=len(submission.ports), protocols=len(submission.protocols))
    if size > MESSAGE_LIMIT_BYTES:
        errors.add(
            "targets",
            "too-large",
            f"These {len(targets)} targets do not fit one message ({size:,} of "
            f"{MESSAGE_LIMIT_BYTES:,} bytes). Send them as two requests, or use larger prefixes.",
        )


def message_bytes(targets: Sequence[str], *, ports: int, protocols: int) -> int:
    """Upper bound of the request's size as one CoAP message, in bytes."""
    texts = sum(len(target.encode()) + 2 for target in targets)
    return MESSAGE_OVERHEAD_BYTES + texts + 9 * ports + 2 * protocols


def _ports(submission: Submission, errors: _Errors) -> list[Port]:
    if len(submission.ports) > MAX_PORT_RANGES:
        errors.add(
            "ports",
            "too-many",
            f"{len(submission.ports):,} port ranges are too many: at most {MAX_PORT_RANGES}.",
        )
        return []
    ports: set[tuple[int, int]] = set()
    for index, (lower, upper) in enumerate(submission.ports):
        if not 0 <= lower <= 65535 or not 0 <= upper <= 65535:
            wrong = lower if not 0 <= lower <= 65535 else upper
            errors.add(
                f"ports.{index}", "out-of-range", f"{wrong} is not a port: write 0 to 65535."
            )
        elif lower > upper:
            errors.add(
                f"ports.{index}",
                "upside-down",
                f"The range {lower}–{upper} is upside down. Write {upper}–{lower}.",
            )
        else:
            ports.add((lower, upper))
    return [{"lower": lower, "upper": upper} for lower, upper in sorted(ports)]


def _protocols(submission: Submission, errors: _Errors) -> list[int]:
    if len(submission.protocols) > MAX_PROTOCOLS:
        errors.add("protocols", "too-many", f"At most {MAX_PROTOCOLS} protocols fit one request.")
        return []
    for index, protocol in enumerate(submission.protocols):
        if not 0 <= protocol <= 255:
            errors.add(
                f"protocols.{index}",
                "out-of-range",
                f"{protocol} is not a protocol number: write 0 to 255, such as 6 for TCP.",
            )
    return sorted(set(submission.protocols))


def _lifetime(
    submission: Submission, chosen: Sequence[Ask], policy: Policy, errors: _Errors
) -> int:
    lifetime_s = (
        policy.default_lifetime_s if submission.lifetime_s is None else submission.lifetime_s
    )
    problem = lifetime_problem(lifetime_s, asks=chosen, policy=policy)
    if problem:
        errors.add("lifetime", problem.code, problem.message)
    return lifetime_s


def lifetime_problem(lifetime_s: int, *, asks: Sequence[Ask], policy: Policy) -> FieldError | None:
    """Why `lifetime_s` cannot be asked for, or None."""
    if lifetime_s == INDEFINITE:
        refusing = next((ask for ask in asks if not ask.may_be_indefinite), None)
        if not policy.may_be_indefinite:
            return _no_lifetime(f"{policy.organization} allows no request without an end.", policy)
        if refusing:
            return _no_lifetime(f"{refusing.provider} allows no request without an end.", policy)
        return None
    if lifetime_s < MIN_LIFETIME_S:
        return _no_lifetime(f"A lifetime of {lifetime_s} s is too short.", policy)
    if lifetime_s > policy.max_lifetime_s:
        return _too_long(policy.organization, policy.max_lifetime_s)
    for ask in asks:
        if ask.max_lifetime_s is not None and lifetime_s > ask.max_lifetime_s:
            return _too_long(ask.provider, ask.max_lifetime_s)
    return None


def _no_lifetime(why: str, policy: Policy) -> FieldError:
    return FieldError(
        field="lifetime",
        code="out-of-range",
        message=f"{why} Choose {MIN_LIFETIME_S} s to {hours(policy.max_lifetime_s)}; it can renew itself.",
    )


def _too_long(who: str, max_lifetime_s: int) -> FieldError:
    limit = hours(max_lifetime_s)
    return FieldError(
        field="lifetime",
        code="too-long",
        message=f"{who} allows at most {limit}. Choose {limit}; it can renew itself.",
    )


def hours(seconds: int) -> str:
    """A lifetime in the largest whole unit: 24 hours, 90 minutes, 45 s."""
    for unit_s, unit in ((3600, "hour"), (60, "minute")):
        if seconds % unit_s == 0:
            count = seconds // unit_s
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds} s"


def _reason(submission: Submission, errors: _Errors) -> str:
    reason = submission.reason.strip()
    if len(reason) > MAX_REASON_LENGTH:
        errors.add(
            "reason",
            "too-long",
            f"The reason has {len(reason):,} characters: at most {MAX_REASON_LENGTH:,} are kept.",
        )
    if "\0" in reason:
        errors.add(
            "reason",
            "odd-characters",
            "The reason has characters that cannot be kept. Type it again.",
        )
    return reason


def _name(targets: Targets, ticked: Sequence[Resource]) -> str:
    parts = list(dict.fromkeys(resource.name for resource in ticked))
    parts += [*targets["prefixes"], *targets["fqdns"], *targets["uris"]]
    if not parts:
        return ""
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    return f"{parts[0][:150]}{more}"
