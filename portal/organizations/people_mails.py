"""The mails about people: subject and body. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.core.formatting import clock, date

ROLES: Final = {
    "viewer": "a viewer, who watches",
    "operator": "an operator, who watches and requests mitigation",
    "approver": "an approver, who may do what an operator may",
    "admin": "an admin, who also manages people and settings",
}


@dataclass(frozen=True, slots=True)
class PeopleMail:
    subject: str
    body: str


def invitation(*, organization: str, role: str, by: str, link: str, ends: datetime) -> PeopleMail:
    return PeopleMail(
        f"{by} invites you to {organization}",
        f"""Hello,

{by} invites you to join {organization} on the portal where it requests protection
from DDoS attacks. You will be {ROLES[role]}.

Open this link to set a password and a second factor:

{link}

The link works once and ends on {_moment(ends)}.

If you did not expect this, ignore this mail: without the link, nothing happens.
Do not forward it: the first person who opens the link can use it.
""",
    )


def reset_started(
    *, username: str, organization: str, by: str, reason: str, ends: datetime
) -> PeopleMail:
    return PeopleMail(
        "Someone wants to reset your second factor",
        f"""Hello {username},

{by} of {organization} says that you lost your phone, and asks to reset your second
factor. Given reason: {reason}

Nothing has changed yet. A second admin of {organization} has to confirm this before
{_moment(ends)}. After that, you set up a new second factor at your next sign-in,
with your password.

If you did not ask for this, tell another admin of {organization} now: they can cancel it
on the page Members. Then change your password.
""",
    )


def please_confirm(
    *, admin: str, username: str, organization: str, by: str, reason: str, link: str
) -> PeopleMail:
    return PeopleMail(
        f"Confirm the reset of {username}'s second factor",
        f"""Hello {admin},

{by} asks to reset the second factor of {username} in {organization}.
Given reason: {reason}

Call {username} at a number you know before you confirm:

{link}

If {username} did not ask for this, cancel it there.
""",
    )


def reset_done(*, username: str, organization: str, by: str, confirmed_by: str) -> PeopleMail:
    return PeopleMail(
        "Your second factor was reset",
        f"""Hello {username},

{by} asked to reset your second factor in {organization}, and {confirmed_by} confirmed it.
Your authenticator app and your recovery codes no longer work, and you are signed out
everywhere.

Sign in with your password to set up a new second factor.

If you did not ask for this, call an admin of {organization} at once: someone who knows
your password could set up a second factor before you.
""",
    )


def _moment(at: datetime) -> str:
    """With year and zone, since mail is read later and elsewhere."""
    return f"{date(at)}, {clock(at)} UTC".replace("\u00a0", " ")
