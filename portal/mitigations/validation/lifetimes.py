"""The lifetime, within what the organization and the providers allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from portal.core.errors import FieldError
from portal.mitigations.validation.submission import EligibleProvider, Errors, Policy, Submission

MIN_LIFETIME_S: Final = 30
INDEFINITE: Final = -1
DEFAULT_LIFETIME_S: Final = 3600
"""For a provider that accepts no indefinite request, and whose longest lifetime is unknown."""


def checked_lifetime(
    submission: Submission, chosen: Sequence[EligibleProvider], policy: Policy, errors: Errors
) -> int:
    lifetime_s = (
        policy.default_lifetime_s if submission.lifetime_s is None else submission.lifetime_s
    )
    problem = lifetime_problem(lifetime_s, eligible_providers=chosen, policy=policy)
    if problem:
        errors.add("lifetime", problem.code, problem.message)
    return lifetime_s


def lifetime_problem(
    lifetime_s: int, *, eligible_providers: Sequence[EligibleProvider], policy: Policy
) -> FieldError | None:
    """Why `lifetime_s` cannot be asked for, or None."""
    if lifetime_s == INDEFINITE:
        refusing = next(
            (provider for provider in eligible_providers if not provider.may_be_indefinite), None
        )
        if not policy.may_be_indefinite:
            return _no_lifetime(
                f"{policy.organization} does not allow requests without an end.", policy
            )
        if refusing:
            return _no_lifetime(f"{refusing.name} does not allow requests without an end.", policy)
        return None
    if lifetime_s < MIN_LIFETIME_S:
        return _no_lifetime(f"A lifetime of {lifetime_s} s is too short.", policy)
    if lifetime_s > policy.max_lifetime_s:
        return _too_long(policy.organization, policy.max_lifetime_s)
    for provider in eligible_providers:
        if provider.max_lifetime_s is not None and lifetime_s > provider.max_lifetime_s:
            return _too_long(provider.name, provider.max_lifetime_s)
    return None


def within_limits(lifetime_s: int, provider: EligibleProvider) -> int:
    """The lifetime this provider is asked for: a shorter lifetime than requested is still help."""
    if lifetime_s == INDEFINITE and not provider.may_be_indefinite:
        return provider.max_lifetime_s or DEFAULT_LIFETIME_S
    if provider.max_lifetime_s is not None:
        return min(lifetime_s, provider.max_lifetime_s)
    return lifetime_s


def _no_lifetime(why: str, policy: Policy) -> FieldError:
    return FieldError(
        field="lifetime",
        code="out-of-range",
        message=(
            f"{why} Choose {MIN_LIFETIME_S} s to {hours(policy.max_lifetime_s)}; it can "
            f"renew automatically."
        ),
    )


def _too_long(who: str, max_lifetime_s: int) -> FieldError:
    limit = hours(max_lifetime_s)
    return FieldError(
        field="lifetime",
        code="too-long",
        message=f"{who} allows at most {limit}. Choose {limit}; it can renew automatically.",
    )


def hours(seconds: int) -> str:
    """A lifetime in the largest whole unit: 24 hours, 90 minutes, 45 s."""
    for unit_s, unit in ((3600, "hour"), (60, "minute")):
        if seconds % unit_s == 0:
            count = seconds // unit_s
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds} s"
