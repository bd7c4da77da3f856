"""An organization's channels and what their receivers answered; NotFound for those of others."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from portal.core.errors import NotFound
from portal.notifications.channels.models import NoticeChannel, NoticeDelivery
from portal.organizations.models import Organization


def channels(organization: Organization) -> QuerySet[NoticeChannel]:
    """By name, without the secrets."""
    own = NoticeChannel.objects.filter(organization=organization)
    return own.defer("secrets").order_by("name")


def channel_for(organization: Organization, channel_id: UUID) -> NoticeChannel:
    found = NoticeChannel.objects.filter(organization=organization, pk=channel_id).first()
    if found is None:
        raise NotFound
    return found


def deliveries(channel: NoticeChannel) -> QuerySet[NoticeDelivery]:
    """Newest first."""
    return NoticeDelivery.objects.filter(channel=channel).order_by("-at", "-id")
