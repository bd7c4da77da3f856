"""Read the mail that the portal wants to send."""

from __future__ import annotations

import re

from portal.core import secrets
from portal.mail.models import OutgoingMail


def mails_to(email: str) -> list[str]:
    """Subject and body of each, oldest first."""
    rows = OutgoingMail.objects.filter(to=email).order_by("created_at", "pk")
    return [f"{row.subject}\n{secrets.decrypt(row.encrypted_body).decode()}" for row in rows]


def link_in(mail: str) -> str:
    """The random word of the link in an invitation."""
    [token] = re.findall(r"/(?:staff-)?invitations/([\w-]+)", mail)
    return str(token)
