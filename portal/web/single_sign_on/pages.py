"""The pages of single sign-on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from portal.core.formatting import listed
from portal.sso.models import SingleSignOn
from portal.sso.protocol import host_of
from portal.sso.refusals import Refused
from portal.sso.statements import Statements, mapped_role
from portal.sso.wording import sentence
from portal.web.rendering import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePage(Page):
    """One field that finds the organization."""

    template: ClassVar = "single_sign_on/choose.html"

    following: str
    typed: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavePage(Page):
    """Sends the browser on. A form must not lead to another site (Content-Security-Policy), so the
    person, or the page itself, follows a link.
    """

    template: ClassVar = "single_sign_on/leave.html"

    url: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPage(Page):
    """Why there is no session, and what to do."""

    template: ClassVar = "single_sign_on/refused.html"

    error: str
    detail: str
    "what the protocol says about it; empty: nothing"
    back: str
    back_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of what the identity provider said."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedPage(Page):
    """What a test received, and what a sign-in would do with it."""

    template: ClassVar = "single_sign_on/tested.html"

    host: str
    problem: str
    "why a sign-in would be refused; empty: it would work"
    facts: Sequence[Fact]
    back: str


def leave_page(sso: SingleSignOn, url: str) -> LeavePage:
    return LeavePage(url=url, host=host_of(sso))


def tested_page(
    sso: SingleSignOn, statements: Statements, problem: Refused | None, *, back: str
) -> TestedPage:
    return TestedPage(
        host=host_of(sso),
        problem=sentence(problem) if problem else "",
        facts=[
            Fact(name="Who you are there", text=statements.subject),
            Fact(name="Email address", text=_email(statements)),
            Fact(name="Groups", text=_groups(sso, statements)),
            Fact(name="Second factor", text=_factor(sso, statements)),
            Fact(name="Claims that arrived", text=", ".join(statements.claims)),
        ],
        back=back,
    )


def _email(statements: Statements) -> str:
    if not statements.email:
        return "None was sent. Add the scope or claim “email” at the identity provider."
    verified = "verified" if statements.is_email_verified else "not said to be verified"
    return f"{statements.email}, {verified}"


def _groups(sso: SingleSignOn, statements: Statements) -> str:
    if not sso.groups_claim:
        return "Not asked for."
    if statements.groups is None:
        return f"The claim “{sso.groups_claim}” was not sent."
    role = mapped_role(statements.groups, sso.roles)
    gives = f"They give the role {role.value}." if role else "None of them has a role here."
    return f"{listed(statements.groups) if statements.groups else 'None'}. {gives}"


def _factor(sso: SingleSignOn, statements: Statements) -> str:
    methods = f"amr is {', '.join(statements.methods)}" if statements.methods else "amr is missing"
    if statements.shows_factor:
        return f"Given there: {methods}."
    if sso.has_second_factor:
        return f"You declared that it asks everyone for one; {methods}."
    return f"Not shown ({methods}), so the portal asks for its own code."
