"""Mail to a person about what happens to the own account."""

from __future__ import annotations

from portal.accounts.account_mails import AccountMail
from portal.accounts.models import User
from portal.mail.services import can_send, queue_mail


def tell(user: User, mail: AccountMail, *, email: str | None = None) -> None:
    """Save it in the transaction of the change. A portal without a mail server and a person without
    an address have the audit alone: the change itself must not depend on mail.

    `email`: another address than the person's present one.
    """
    to = user.email if email is None else email
    if to and can_send():
        queue_mail(to=to, subject=mail.subject, body=mail.body)
