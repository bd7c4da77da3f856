"""The address of a person as a receiver of notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from portal.accounts.models import User
from portal.core.origins import address_of_portal
from portal.mail.services import can_send
from portal.notifications.channels.email import Email
from portal.notifications.kinds import DIGEST, NoticeKind
from portal.notifications.message import ReceiverAnswer
from portal.notifications.models import Notice
from portal.notifications.receivers import EMAIL, Route, is_always_mailed
from portal.notifications.unsubscribing import link_to_stop
from portal.notifications.wording import KIND_NAMES
from portal.organizations.models import Membership, Role

_EMAIL: Final = Email()


class EmailOfPerson:
    """A portal.notifications.receivers.PersonChannel."""

    kind = EMAIL
    name = "Email"

    def addresses(self, users: Sequence[User]) -> Mapping[UUID, Sequence[str]]:
        """One per person, without a name: the address may change before a notice is sent."""
        if not can_send():
            return {}
        return {user.pk: [""] for user in users if user.email}

    def route(self, notice: Notice) -> Route | None:
        own = Membership.objects.filter(
            user=notice.user_id, organization=notice.organization_id
        ).select_related("user", "organization")
        membership = own.first()
        if membership is None or not membership.user.email:
            return None
        is_digest = notice.kind == DIGEST
        about = "Several kinds" if is_digest else KIND_NAMES[NoticeKind(notice.kind)]
        is_always = is_always_mailed(notice.kind, EMAIL, Role(membership.role))
        values = {
            "to": membership.user.email,
            "organization": membership.organization.name,
            "about": about,
            "stop": "" if is_always else link_to_stop(membership.pk, notice.kind, EMAIL),
            "choose": f"{address_of_portal()}/me/notices",
        }
        return Route(_EMAIL, values)

    def answered(self, notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
        """A mail server never says that an address wants no more."""
