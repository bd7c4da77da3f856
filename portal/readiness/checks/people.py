"""Checks of people: at least two can sign in and submit requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.readiness.checks.targets import some
from portal.readiness.rows import CheckCode, Found, Row, State


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
    found = Found(State.PASS, f"{some(able)} can sign in and request.")
    if not able:
        words = "There is no operator or admin with a second factor."
        found = Found(State.FAIL, words, "no one can send a request")
    elif len(able) == 1:
        found = _one_alone(able[0], f"only {able[0]} can send a request")
    return Row(code=CheckCode.REQUESTERS, question="Who can request", found=found)


def second_factor(members: Sequence[Member]) -> Row:
    without = [one for one in members if not one.has_second_factor]
    all_have_one = f"{len(members)} of {len(members)} members have set one up."
    found = Found(
        State.PASS, all_have_one if len(members) > 1 else "The only member has set one up."
    )
    if without:
        names = [f"{one.name} ({one.role})" for one in without]
        has = "has" if len(without) == 1 else "have"
        found = Found(
            State.WARN,
            f"{some(names)} {has} not set one up. The portal requires it at the next sign-in.",
            f"{some([one.name for one in without])} {has} no second factor",
        )
    return Row(code=CheckCode.SECOND_FACTOR, question="Second factor", found=found)


def admins(members: Sequence[Member]) -> Row:
    names = [one.name for one in members if one.is_admin]
    found = Found(State.PASS, f"{some(names)}.")
    if not names:
        found = Found(State.WARN, "No admin. Portal staff must appoint one.", "there is no admin")
    elif len(names) == 1:
        found = _one_alone(names[0], f"{names[0]} is the only admin")
    return Row(code=CheckCode.ADMINS, question="Admins", found=found)


def _one_alone(name: str, clause: str) -> Found:
    return Found(State.WARN, f"{name}. Only one person; consider a second.", clause)
