"""The mails about people: subject and body. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.accounts.account_mails import AccountMail
from portal.core.formatting import full_moment

ROLES: Final = {
    "viewer": "a viewer, who watches",
    "operator": "an operator, who watches and requests mitigation",
    "approver": "an approver, who requests mitigation and approves what others request",
    "admin": "an admin, who requests and approves mitigation, and manages people and settings",
}


class PeopleMail(AccountMail):
    """To a member, or to who is to become one."""


def invitation(
    *, organization: str, role: str, by: str, link: str, ends: datetime, has_account: bool
) -> PeopleMail:
    return PeopleMail(
        f"{by} invites you to {organization}",
        f"""Hello,

{by} invites you to join {organization} on the portal where it requests protection
from DDoS attacks.

You will be {ROLES[role]}.

{to_join(has_account=has_account)}

{link}

The link works once and ends on {_moment(ends)}.

If you did not expect this, ignore this mail: without the link, nothing happens.
Do not forward it: the first person who opens the link can use it.
""",
    )


def to_join(*, has_account: bool) -> str:
    """What the link of an invitation asks for."""
    if has_account:
        return "You have an account with this address. Open this link and sign in to join:"
    return "Open this link to set a password and a second factor:"


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


def staff_act(
    *, organization: str, by: str, reason: str, began: datetime, ends: datetime
) -> PeopleMail:
    return PeopleMail(
        f"Portal staff act for {organization}",
        f"""Hello,

{by}, a member of the portal's staff, acts for {organization} since {_moment(began)},
as an operator: reads its pages, and can request and end mitigation. It ends at
{_moment(ends)} at the latest. Given reason: {reason}

The page Audit shows each step. If you did not expect this, ask the operator of your
portal.
""",
    )


def suspended(*, organization: str, reason: str) -> PeopleMail:
    return PeopleMail(
        f"{organization} is suspended",
        f"""Hello,

the staff of the portal suspended {organization}. Given reason: {reason}

Until they lift that, {organization} can send no new requests, plans, drills or
extensions. Providers continue what they do now, everyone can sign in and read, and you
can terminate each request.

Ask the operator of your portal what to do.
""",
    )


def resumed(*, organization: str) -> PeopleMail:
    return PeopleMail(
        f"{organization} is no longer suspended",
        f"""Hello,

the staff of the portal lifted the suspension of {organization}. You can request
mitigation again.
""",
    )


def closed(*, organization: str, reason: str) -> PeopleMail:
    return PeopleMail(
        f"{organization} is closed",
        f"""Hello,

the staff of the portal closed {organization}. Given reason: {reason}

Its members can no longer use it. Providers continue what they do now.

Ask the operator of your portal what to do.
""",
    )


def opened(*, organization: str) -> PeopleMail:
    return PeopleMail(
        f"{organization} is open again",
        f"""Hello,

the staff of the portal opened {organization} again. Its members can use it.
""",
    )


def limit_changed(*, organization: str, before: int, after: int, reason: str) -> PeopleMail:
    return PeopleMail(
        f"{organization} may have {after:,} live requests",
        f"""Hello,

the staff of the portal changed how many live requests {organization} may have at a
time: from {before:,} to {after:,}.{f" Given reason: {reason}" if reason else ""}

Requests that are live now go on. Settings › Policy shows the limit.
""",
    )


def admin_removed(*, organization: str, username: str, reason: str) -> PeopleMail:
    return PeopleMail(
        f"{username} is no longer an admin of {organization}",
        f"""Hello,

the staff of the portal ended the membership of {username} in {organization}.
Given reason: {reason}

{username} cannot use {organization} any more. Live requests go on. If you did not expect
this, ask the operator of your portal.
""",
    )


def removed_by_staff(*, organization: str, username: str, reason: str) -> PeopleMail:
    return PeopleMail(
        f"You are no longer an admin of {organization}",
        f"""Hello {username},

the staff of the portal ended your membership in {organization}.
Given reason: {reason}

If you did not expect this, ask the operator of your portal.
""",
    )


def _moment(at: datetime) -> str:
    """In the zone of the reader (portal.accounts.time_zones.time_zone_of)."""
    return full_moment(at).replace("\u00a0", " ")
