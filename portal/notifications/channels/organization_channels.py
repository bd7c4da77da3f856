"""The channels of organizations, as receivers of the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from django.utils import timezone

from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.registry import CHANNELS
from portal.notifications.channels.sealed_values import values_of
from portal.notifications.channels.services.deliver import is_wanted, record_delivery
from portal.notifications.message import ReceiverAnswer
from portal.notifications.messages import message_of
from portal.notifications.models import Notice
from portal.notifications.receivers import EnabledChannel, Route


class AddedByAdmins:
    """A portal.notifications.receivers.OrganizationChannels."""

    def enabled(
        self, organization_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[EnabledChannel]]:
        """By name."""
        rows = NoticeChannel.objects.filter(organization__in=organization_ids, is_enabled=True)
        found: dict[UUID, list[EnabledChannel]] = {}
        for one in rows.filter(kind__in=CHANNELS).defer("secrets").order_by("name"):
            channel = EnabledChannel(one.pk, one.kind, partial(is_wanted, one))
            found.setdefault(one.organization_id, []).append(channel)
        return found

    def route(self, notice: Notice) -> Route | None:
        """Raises SecretUnreadable, which the outbox tries again."""
        channel = _enabled(notice)
        if channel is None:
            return None
        return Route(CHANNELS[channel.kind], values_of(channel, timezone.now()))

    def answered(self, notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
        """One line of the delivery log. Nothing was sent through a channel that is off."""
        channel = _enabled(notice)
        if channel is not None:
            record_delivery(channel, message_of(notice), answer, now=now)


def _enabled(notice: Notice) -> NoticeChannel | None:
    if notice.channel_id is None:
        return None
    own = NoticeChannel.objects.filter(organization=notice.organization_id, is_enabled=True)
    return own.filter(pk=notice.channel_id, kind__in=CHANNELS).first()
