"""The page that the link of an invitation opens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from portal.accounts.models import User
from portal.accounts.services import has_account
from portal.web.rendering import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """What an invitation says."""

    email: str
    by: str
    role: str
    to: str
    "the name of what the reader joins"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationPage(Page):
    """For a new person a form, for a known one a button."""

    template: ClassVar = "invitations/invitation.html"

    invited: Invited
    action: str
    signed_in_as: str
    "empty if no person is signed in on this browser"
    has_account: bool
    sign_in: str
    "the sign-in page that leads back here"
    username: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    "by field; about the whole form under `form`"


def invitation_page(
    invited: Invited,
    *,
    action: str,
    user: User | None,
    sign_in: str,
    username: str | None = None,
    errors: Mapping[str, str] | None = None,
) -> InvitationPage:
    suggested = invited.email.partition("@")[0]
    return InvitationPage(
        invited=invited,
        action=action,
        signed_in_as=user.username if user else "",
        has_account=has_account(invited.email),
        sign_in=sign_in,
        username=suggested if username is None else username,
        errors=errors or {},
    )
