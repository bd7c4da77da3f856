"""The mails about a person's own account: subject and body. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portal.core.formatting import full_moment

NOT_YOU: Final = """If this was not you, change your password now, and tell an admin of your
organization: someone else may be signed in as you.
"""


@dataclass(frozen=True, slots=True)
class AccountMail:
    subject: str
    body: str


def password_link(*, username: str, link: str, ends: datetime) -> AccountMail:
    return AccountMail(
        "Choose a new password",
        f"""Hello {username},

someone asked for a new password for the account {username}. Choose it here:

{link}

The link works once and ends on {_moment(ends)}. To sign in, you also need your second
factor.

If you did not ask for this, ignore this mail: without the link, nothing changes.
""",
    )


def password_changed(*, username: str) -> AccountMail:
    return AccountMail(
        "Your password was changed",
        f"""Hello {username},

the password of your account {username} was changed. Every other browser and device was
signed out, every API token of yours ended, and no browser or phone shows your notices
any more.

If this was not you, ask for a new password on the page where you sign in, and tell an
admin of your organization.
""",
    )


def confirm_email(*, username: str, link: str, ends: datetime) -> AccountMail:
    return AccountMail(
        "Confirm your new email address",
        f"""Hello,

the account {username} wants to use this address. Open this link while you are signed in
as {username}:

{link}

The link works once and ends on {_moment(ends)}.

If this is not your account, ignore this mail: without the link, nothing changes.
""",
    )


def email_change_asked(*, username: str, email: str) -> AccountMail:
    return AccountMail(
        "Someone wants to change your email address",
        f"""Hello {username},

your account {username} is about to use another address: {email}
Nothing has changed yet: the link in a mail to that address confirms it.

{NOT_YOU}""",
    )


def email_changed(*, username: str, email: str) -> AccountMail:
    return AccountMail(
        "Your email address was changed",
        f"""Hello {username},

your account {username} now uses the address {email}.
Mails of the portal go there.

{NOT_YOU}""",
    )


def factor_added(*, username: str, factor: str) -> AccountMail:
    return AccountMail(
        "A second factor was added",
        f"""Hello {username},

{factor} can now be used as a second factor of your account {username}.

{NOT_YOU}""",
    )


def factor_removed(*, username: str, factor: str) -> AccountMail:
    return AccountMail(
        "A second factor was removed",
        f"""Hello {username},

{factor} no longer works as a second factor of your account {username}.
Browsers that signed in with it are signed out.

{NOT_YOU}""",
    )


def recovery_codes_renewed(*, username: str) -> AccountMail:
    return AccountMail(
        "You have new recovery codes",
        f"""Hello {username},

your account {username} has new recovery codes. The old ones no longer work.

{NOT_YOU}""",
    )


def new_device(
    *, username: str, device: str, address: str, at: datetime, sessions: str
) -> AccountMail:
    """`sessions`: the address of the page with the person's sessions."""
    return AccountMail(
        f"New sign-in: {device}",
        f"""Hello {username},

someone signed in to your account {username} on a device that the portal did not know:

Device: {device}
Time: {_moment(at)}
Address: {address or "unknown"}

If this was you, there is nothing to do. If not, sign the device out here, and then change
your password:

{sessions}
""",
    )


def _moment(at: datetime) -> str:
    """In the zone of the reader (portal.accounts.time_zones.time_zone_of)."""
    return full_moment(at).replace("\u00a0", " ")
