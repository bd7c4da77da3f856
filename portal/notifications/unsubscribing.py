"""The link in a mail that stops one kind of notice, without signing in (RFC 8058).

The link is signed and says which member, kind and channel. It can only stop notices, so it stays
valid as long as the mail is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.core import signing

from portal.core.errors import NotFound
from portal.core.origins import address_of_portal
from portal.notifications.choices import choose, kinds_of_link
from portal.notifications.kinds import DIGEST, NoticeKind
from portal.notifications.wording import KIND_NAMES
from portal.organizations.models import Membership, Role

PATH: Final = "/notices/stop/"
MAX_TOKEN_LENGTH: Final = 300
_SALT: Final = "portal.notices.stop"


@dataclass(frozen=True, slots=True)
class StopLink:
    """What a link stops."""

    membership: Membership
    kind: str
    channel_kind: str

    @property
    def what(self) -> str:
        """The kind, as people choose it."""
        if self.kind == DIGEST:
            return "All notices that can wait"
        return KIND_NAMES[NoticeKind(self.kind)]


def link_to_stop(membership_id: int, kind: str, channel_kind: str) -> str:
    token = signing.dumps([membership_id, kind, channel_kind], salt=_SALT)
    return f"{address_of_portal()}{PATH}{token}"


def read_link(token: str) -> StopLink:
    """NotFound for a link that the portal did not make, or of a person who is no member any
    more.
    """
    try:
        if len(token) > MAX_TOKEN_LENGTH:
            raise NotFound
        membership_id, kind, channel_kind = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        raise NotFound from None
    rows = Membership.objects.select_related("organization", "user")
    membership = rows.filter(pk=membership_id).first()
    if membership is None or not kinds_of_link(kind, Role(membership.role)):
        raise NotFound
    return StopLink(membership, kind, channel_kind)


def stop(link: StopLink) -> None:
    """Repeating it changes nothing."""
    role = Role(link.membership.role)
    kinds = kinds_of_link(link.kind, role)
    wanted = {(one.value, link.channel_kind): False for one in kinds}
    choose(link.membership, actor=None, wanted=wanted)
