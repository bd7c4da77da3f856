"""Notices on their way to one receiver each, and what people chose to get."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.core.json_value import JSONValueField
from portal.notifications.facts import NoticeFacts
from portal.notifications.message import MAX_ANSWER_CHARS, Severity
from portal.organizations.models import Membership, Organization

MAX_RECEIVER_LENGTH: Final = 120
MAX_KEY_LENGTH: Final = 120
MAX_THREAD_LENGTH: Final = 100


class NoticeState(models.TextChoices):
    """How far a notice is."""

    HELD = "held"
    "until quiet hours end, or for a digest"
    QUEUED = "queued"
    FAILED = "failed"
    "not delivered yet: tried again"
    SENT = "sent"
    DEAD = "dead"
    "given up, or refused"
    DIGESTED = "digested"
    "a digest tells it"


UNFINISHED: Final = (NoticeState.QUEUED, NoticeState.FAILED)
SEVERITIES: Final = [(one.value, one.value) for one in Severity]


class Notice(models.Model):
    """One happening, told to one receiver."""

    id = models.BigAutoField(primary_key=True)
    """In the order of the events, within an organization."""
    message_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    """The same at every try."""
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=MAX_KEY_LENGTH)
    """A receiver gets one notice for each key, such as `event:41`."""
    receiver = models.CharField(max_length=MAX_RECEIVER_LENGTH)
    """As portal.notifications.receivers names it."""
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    """The person; null for a channel of the organization."""
    channel_id = models.UUIDField(null=True)
    """The channel of the organization; null for a person."""
    channel_kind = models.CharField(max_length=20)
    """Such as `email` or `webhook`."""
    kind = models.CharField(max_length=40)
    """A NoticeKind, or DIGEST."""
    severity = models.CharField(max_length=10, choices=SEVERITIES)
    thread = models.CharField(max_length=MAX_THREAD_LENGTH)
    opens_thread = models.BooleanField(default=False)
    closes_thread = models.BooleanField(default=False)
    request_id = models.UUIDField(null=True)
    """The request whose page it opens; null: see the kind."""
    facts = JSONValueField(NoticeFacts, default=NoticeFacts)
    event: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    """As the API sends it; empty if no event told it."""
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=NoticeState.choices, default=NoticeState.QUEUED)
    next_try_at = models.DateTimeField(null=True)
    """When it is due, if it is held, queued or failed."""
    claim = models.UUIDField(null=True)
    """The worker that tries it now, or tried it last."""
    tries = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=MAX_ANSWER_CHARS, blank=True, default="")
    """The receiver's to the last try."""
    digest = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="digested")
    """The one that tells it."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "key", "receiver"], name="notice_once_per_receiver"
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, channel_id__isnull=True)
                | Q(user__isnull=True, channel_id__isnull=False),
                name="notice_has_one_receiver",
            ),
            models.CheckConstraint(
                condition=Q(state__in=NoticeState.values), name="notice_state_is_known"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at", "id"],
                condition=Q(state__in=[str(one) for one in UNFINISHED]),
                name="notice_due",
            ),
            models.Index(
                fields=["next_try_at"], condition=Q(state=NoticeState.HELD), name="notice_held"
            ),
            # a thread and its receivers, and what a person got in the last minutes
            models.Index(fields=["thread", "receiver", "-id"], name="notice_of_thread"),
            models.Index(fields=["receiver", "-created_at"], name="notice_of_receiver"),
            # the delivery log of a channel
            models.Index(
                fields=["channel_id", "-id"],
                condition=Q(channel_id__isnull=False),
                name="notice_of_channel",
            ),
            models.Index(fields=["created_at"], name="notice_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.receiver}: {self.state}"


class NoticeChoice(models.Model):
    """Whether a member gets one kind of notice on one channel, where that is not the default."""

    membership = models.ForeignKey(
        Membership, on_delete=models.CASCADE, related_name="notice_choices"
    )
    kind = models.CharField(max_length=40)
    channel_kind = models.CharField(max_length=20)
    is_wanted = models.BooleanField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["membership", "kind", "channel_kind"], name="notice_choice_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.kind} by {self.channel_kind}: {self.is_wanted}"


class QuietHours(models.Model):
    """When a member wants no notices of an organization, in the person's time zone."""

    membership = models.OneToOneField(
        Membership, on_delete=models.CASCADE, primary_key=True, related_name="quiet_hours"
    )
    begins = models.TimeField()
    ends = models.TimeField()
    """Earlier than `begins`: on the next day."""

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(begins=models.F("ends")), name="quiet_hours_have_a_length"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.begins} to {self.ends}"
