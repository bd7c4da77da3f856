"""Links in mails that change an account. Only the hash of their random word is saved."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from portal.accounts.models import LinkPurpose, MailedLink, User
from portal.core import throttle
from portal.core.errors import PortalError

TOKEN_BYTES: Final = 32
MAX_TOKEN_LENGTH: Final = 64
HOLDS: Final = {
    LinkPurpose.PASSWORD: timedelta(minutes=30),
    LinkPurpose.EMAIL: timedelta(hours=1),
}
TRIES: Final = throttle.Limit(
    name="mailed-link-tries", tries=30, window_s=300, message="Too many tries from this address."
)


class LinkEnded(PortalError):
    """The same answer for every link that opens nothing."""

    code = "link-ended"
    http_status = 410
    title = "This link does not work"

    def __init__(self) -> None:
        super().__init__(
            "It was used or replaced by a newer mail, or it has expired. Ask for a new one."
        )


def make_link(*, user: User, purpose: LinkPurpose, email: str) -> tuple[str, datetime]:
    """A new random word for a mail to `email`, and when it ends. The earlier link of the same
    purpose ends now. Call it with the person's row locked.
    """
    token, now = secrets.token_urlsafe(TOKEN_BYTES), timezone.now()
    ends = now + HOLDS[purpose]
    MailedLink.objects.update_or_create(
        user=user,
        purpose=purpose,
        defaults={"digest": MailedLink.digest_of(token), "email": email, "expires_at": ends},
    )
    return token, ends


def link_of(token: str, purpose: LinkPurpose, *, address: str) -> MailedLink:
    """What a link opens now. LinkEnded, or Throttled."""
    throttle.count(TRIES, throttle.subject_of(address))
    link = open_link(MailedLink.digest_of(token[:MAX_TOKEN_LENGTH]), purpose)
    if link is None:
        raise LinkEnded
    return link


def use_link(found: MailedLink) -> None:
    """Each works once: LinkEnded if another call was faster. Call it with the person's row
    locked.
    """
    if open_link(found.digest, LinkPurpose(found.purpose)) is None:
        raise LinkEnded
    MailedLink.objects.filter(pk=found.pk).delete()


def open_link(digest: str, purpose: LinkPurpose) -> MailedLink | None:
    return (
        MailedLink.objects.filter(
            digest=digest,
            purpose=purpose,
            expires_at__gt=timezone.now(),
            user__is_active=True,
        )
        .select_related("user")
        .first()
    )


def prune(*, now: datetime) -> None:
    """Delete links that have expired."""
    MailedLink.objects.filter(expires_at__lte=now).delete()
