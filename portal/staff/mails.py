"""The mails about the portal's staff: subject and body. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.accounts.account_mails import AccountMail
from portal.core.formatting import full_moment
from portal.organizations.people_mails import to_join
from portal.staff.models import StaffRole

ROLES: Final = {
    StaffRole.SUPPORT: "support, who adds organizations and acts for them",
    StaffRole.OPERATIONS: "operations, who adds organizations, acts for them, and changes "
    "organizations, resources and providers",
    StaffRole.MANAGER: "a manager, who manages the staff and may do everything that they may",
}


def invitation(
    *, role: StaffRole, by: str, link: str, ends: datetime, has_account: bool
) -> AccountMail:
    return AccountMail(
        f"{by} invites you to the staff of the portal",
        f"""Hello,

{by} invites you to join the staff of the portal where organizations request protection
from DDoS attacks.

You will be {ROLES[role]}.

{to_join(has_account=has_account)}

{link}

The link works once and ends on {_moment(ends)}.

If you did not expect this, ignore this mail: without the link, nothing happens.
Do not forward it: the first person who opens the link can use it.
""",
    )


def colleague_joined(*, username: str, email: str, role: StaffRole) -> AccountMail:
    return AccountMail(
        f"{username} joined the staff of the portal",
        f"""Hello,

{username} accepted the invitation to {email}, and is {ROLES[role]}.

If you did not expect this, end the access of {username} on the page Staff.
""",
    )


def role_changed(*, username: str, role: StaffRole, by: str) -> AccountMail:
    return AccountMail(
        "Your role in the portal's staff changed",
        f"""Hello {username},

{by} changed your role in the staff of the portal. You are now {ROLES[role]}.
""",
    )


def colleague_changed(*, username: str, role: StaffRole, by: str) -> AccountMail:
    return AccountMail(
        f"{username} has another role in the portal's staff",
        f"""Hello,

{by} changed the role of {username} in the staff of the portal: {username} is now
{ROLES[role]}.

If you did not expect this, ask {by}.
""",
    )


def ended(*, username: str, by: str) -> AccountMail:
    return AccountMail(
        "You no longer belong to the portal's staff",
        f"""Hello {username},

{by} ended your access as a member of the portal's staff. You are signed out everywhere,
and your API tokens ended.
""",
    )


def colleague_ended(*, username: str, by: str) -> AccountMail:
    return AccountMail(
        f"{username} no longer belongs to the portal's staff",
        f"""Hello,

{by} ended the access of {username} to the portal's staff.

If you did not expect this, ask {by}.
""",
    )


def reset_started(*, username: str, by: str, reason: str, ends: datetime) -> AccountMail:
    return AccountMail(
        "Someone wants to reset your second factor",
        f"""Hello {username},

{by} of the portal's staff says that you lost your phone, and asks to reset your second
factor. Given reason: {reason}

Nothing has changed yet. A second manager has to confirm this before
{_moment(ends)}. After that, you set up a new second factor at your next sign-in,
with your password.

If you did not ask for this, cancel it on the page Staff, or tell another manager now.
Then change your password.
""",
    )


def please_confirm(*, manager: str, username: str, by: str, reason: str, link: str) -> AccountMail:
    return AccountMail(
        f"Confirm the reset of {username}'s second factor",
        f"""Hello {manager},

{by} asks to reset the second factor of {username} of the portal's staff.
Given reason: {reason}

Call {username} at a number you know before you confirm:

{link}

If {username} did not ask for this, cancel it there.
""",
    )


def reset_done(*, username: str, by: str, confirmed_by: str) -> AccountMail:
    return AccountMail(
        "Your second factor was reset",
        f"""Hello {username},

{by} asked to reset your second factor, and {confirmed_by} confirmed it. Your
authenticator app, passkeys and recovery codes no longer work, and you are signed out
everywhere.

Sign in with your password to set up a new second factor.

If you did not ask for this, call a manager of the portal's staff at once: someone who
knows your password could set up a second factor before you.
""",
    )


def _moment(at: datetime) -> str:
    """In the zone of the reader (portal.accounts.time_zones.time_zone_of)."""
    return full_moment(at).replace("\u00a0", " ")
