"""Checks of resources: they are verified, a provider may protect them, and they fit into a
request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from portal.core.formatting import listed, plural
from portal.mitigations.validation import (
    MAX_TARGETS,
    MESSAGE_LIMIT_BYTES,
    AssignedScope,
    message_bytes,
)
from portal.readiness.rows import CheckCode, Found, Link, Row, State

NAMED: Final = 3
"""Names in one row; the others are counted."""

SEVERAL: Final = "To protect everything at once, send several requests."


def some(names: Sequence[str]) -> str:
    """a, b, c and 4 more"""
    more = len(names) - NAMED
    return listed([*names[:NAMED], *([f"{more} more"] if more > 0 else [])])


def resources(
    verified: int, unverified: Sequence[str], unaskable: Mapping[str, str] | None = None
) -> Row:
    """`unaskable`: verified resources that no provider can be asked for, by name, with a sentence
    on the reason.
    """
    unaskable = unaskable or {}
    total = verified + len(unverified)
    count, names = f"{verified} of {total}.", some(unverified)
    left = f"{count} Portal staff have not verified {names} yet."
    found = Found(State.PASS, count)
    if not total:
        words = "There are none yet. Portal staff verify resources."
        found = Found(State.FAIL, words, "there is nothing to protect yet")
    elif not verified:
        found = Found(State.FAIL, left, "no resource is verified yet")
    elif unaskable:
        names = some(list(unaskable))
        why = " ".join(list(unaskable.values())[:NAMED])
        found = Found(
            State.FAIL,
            f"{why} Add a resource that can be protected instead, and have it verified.",
            f"no provider can be asked for {names}",
        )
    elif unverified:
        found = Found(State.WARN, left, f"{names} {_are(unverified)} not verified")
    return Row(code=CheckCode.RESOURCES, question="Resources verified", found=found)


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def coverage(resources: Mapping[str, str], assigned_scopes: Sequence[AssignedScope]) -> Row:
    """Whether each verified resource (its value to its name) has a provider that may protect it."""
    covered = {target for assigned in assigned_scopes for target in assigned.scope.texts}
    left = [value for value in resources if value not in covered]
    found = Found(State.PASS, _who_covers(len(resources), assigned_scopes))
    if left:
        names = some([resources[value] for value in left])
        why = "; ".join(
            assigned.excluded[left[0]]
            for assigned in assigned_scopes
            if left[0] in assigned.excluded
        )
        found = Found(
            State.FAIL,
            f"No provider may protect {names}: {why}.",
            f"no provider may protect {names}",
        )
    return Row(code=CheckCode.COVERAGE, question="Every target has a provider", found=found)


def _who_covers(total: int, assigned_scopes: Sequence[AssignedScope]) -> str:
    counts = [(assigned.provider.name, len(assigned.scope)) for assigned in assigned_scopes]
    words = [
        f"{who} may protect {f'all {total}' if count == total else f'{count} of {total}'}."
        if total > 1
        else f"{who} may {'' if count else 'not '}protect it."
        for who, count in counts
    ]
    return " ".join(words)


def size(assigned_scopes: Sequence[AssignedScope], link: Link | None) -> Row:
    """Whether all that a provider may protect fits into one message."""
    state, evidence = State.PASS, ""
    largest = max(assigned_scopes, key=lambda assigned: _octets(assigned))
    count = len(largest.scope)
    room = f"{_octets(largest):,} of {MESSAGE_LIMIT_BYTES:,} bytes, for {largest.provider.name}"
    what = f"All {count} resources together" if count > 1 else "The only resource"
    evidence = f"{what}: at most {room}."
    if _octets(largest) > MESSAGE_LIMIT_BYTES:
        state, evidence = State.WARN, f"{what} would need {room}. {SEVERAL}"
    for assigned in assigned_scopes:
        count, most = (
            len(assigned.scope),
            assigned.provider.max_targets or MAX_TARGETS,
        )
        if count > min(most, MAX_TARGETS):
            who = "one request fits" if most >= MAX_TARGETS else f"{assigned.provider.name} accepts"
            takes = plural(min(most, MAX_TARGETS), "target")
            state = State.WARN
            evidence = f"{count} resources are verified; {who} at most {takes}. {SEVERAL}"
    return Row(
        code=CheckCode.SIZE,
        question="Largest request fits one message",
        found=Found(
            state,
            evidence,
            "" if state == State.PASS else "not everything fits one request",
        ),
        link=None if state == State.PASS else link,
    )


def _octets(assigned: AssignedScope) -> int:
    return message_bytes(assigned.scope) if assigned.scope else 0
