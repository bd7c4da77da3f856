"""Mail is saved with the change that it reports, and sent by the worker afterwards.

It is sent at least once: a worker that stops right after the mail server accepted a mail sends it
again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.utils import timezone

from portal.core import secrets
from portal.core.errors import SecretUnreadable, Unavailable
from portal.mail.models import MAX_SUBJECT_LENGTH, OutgoingMail

logger = logging.getLogger(__name__)

MAX_TRIES: Final = 12
"""With the pauses between them, mail is given up after about seven hours."""
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(hours=1)
MAX_SENT_AT_ONCE: Final = 20


class MailNotConfigured(Unavailable):
    """The portal has no mail server."""

    code = "mail-not-configured"

    def __init__(self) -> None:
        super().__init__(
            "This portal cannot send mail: its operator has to set PORTAL_MAIL_URL first."
        )


def can_send() -> bool:
    """Whether the portal has a mail server."""
    return bool(settings.EMAIL_HOST or settings.EMAIL_FILE_PATH)


@transaction.atomic
def queue_mail(*, to: str, subject: str, body: str) -> OutgoingMail:
    """Save a mail in the transaction of the change that it reports. Raises MailNotConfigured."""
    if not can_send():
        raise MailNotConfigured
    now = timezone.now()
    return OutgoingMail.objects.create(
        to=to,
        # A line break in a name would start another header.
        subject=" ".join(subject.split())[:MAX_SUBJECT_LENGTH],
        encrypted_body=secrets.encrypt(body.encode()),
        created_at=now,
        next_try_at=now,
    )


def send_due(*, now: datetime) -> int:
    """Send the mail that is due, oldest first, and return how many were accepted.

    No row is locked while the mail server is asked.
    """
    return sum(_send(mail_id, now) for mail_id in _claim(now))


def _claim(now: datetime) -> list[UUID]:
    """Postpone the next try first, so that no other worker sends the same mail meanwhile."""
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        due = list(
            OutgoingMail.objects.select_for_update(skip_locked=skip)
            .filter(next_try_at__lte=now)
            .order_by("next_try_at", "pk")[:MAX_SENT_AT_ONCE]
        )
        for mail in due:
            mail.next_try_at = now + min(FIRST_PAUSE * 2**mail.tries, LONGEST_PAUSE)
            mail.tries += 1
        OutgoingMail.objects.bulk_update(due, ["next_try_at", "tries"])
    return [mail.pk for mail in due]


def _send(mail_id: UUID, now: datetime) -> bool:
    mail = OutgoingMail.objects.filter(pk=mail_id).first()
    if mail is None:
        return False
    try:
        body = secrets.decrypt(mail.encrypted_body).decode()
        EmailMessage(mail.subject, body, to=[mail.to]).send()
    except (SMTPException, OSError, SecretUnreadable) as error:
        # The error may quote the address, but never the body.
        logger.warning("mail %s was not sent (try %d): %s", mail.pk, mail.tries, error)
        if mail.tries >= MAX_TRIES:
            logger.error("mail %s is given up after %d tries", mail.pk, mail.tries)
            mail.delete()
        return False
    mail.delete()
    return True
