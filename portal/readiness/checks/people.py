"""What must hold of the people: somebody can sign in and ask, and not one person alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.readiness.checks.targets import some
from portal.readiness.rows import Code, Group, Row, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of the organization who may sign in."""

    name: str
    role: str
    can_request: bool
    is_admin: bool
    has_second_factor: bool


def requesters(members: Sequence[Member]) -> Row:
    able = [one.name for one in members if one.can_request and one.has_second_factor]
    state, clause = State.PASS, ""
    evidence = f"{some(able)} can sign in and request."
    if not able:
        state, clause = State.FAIL, "nobody can send a request"
        evidence = "Nobody with a second factor may request mitigation."
    elif len(able) == 1:
        state, clause = State.WARN, f"only {able[0]} can send a request"
        evidence = f"{able[0]}. One person only; consider a second."
    return Row(
        code=Code.REQUESTERS,
        group=Group.PEOPLE,
        state=state,
        question="Who can request",
        evidence=evidence,
        clause=clause,
    )


def second_factor(members: Sequence[Member]) -> Row:
    without = [one for one in members if not one.has_second_factor]
    if not without:
        return Row(
            code=Code.SECOND_FACTOR,
            group=Group.PEOPLE,
            state=State.PASS,
            question="Second factor",
            evidence=f"{len(members)} of {len(members)} members have set one up."
            if len(members) > 1
            else "The one member has set one up.",
        )
    names = [f"{one.name} ({one.role})" for one in without]
    has = "has" if len(without) == 1 else "have"
    return Row(
        code=Code.SECOND_FACTOR,
        group=Group.PEOPLE,
        state=State.WARN,
        question="Second factor",
        evidence=f"{some(names)} {has} not set one up. The portal asks for it at the next sign-in, "
        "before anything else.",
        clause=f"{some([one.name for one in without])} {has} no second factor",
    )


def admins(members: Sequence[Member]) -> Row:
    names = [one.name for one in members if one.is_admin]
    state, clause = State.PASS, ""
    evidence = f"{some(names)}."
    if not names:
        state, clause = State.WARN, "there is no admin"
        evidence = "Nobody. Portal staff name one."
    elif len(names) == 1:
        state, clause = State.WARN, f"{names[0]} is the only admin"
        evidence = f"{names[0]}. One person only; consider a second."
    return Row(
        code=Code.ADMINS,
        group=Group.PEOPLE,
        state=state,
        question="Who is admin",
        evidence=evidence,
        clause=clause,
    )
