"""Where the notices of an organization go beside its people, and what the receivers answered."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import ClassVar, Final

from django.conf import settings
from django.db import models

from portal.accounts.models import ApiToken, KnownDevice
from portal.core.json_value import JSONValueField
from portal.notifications.message import MAX_ANSWER_CHARS, Outcome, Severity
from portal.organizations.models import Integration

MAX_DEVICE_NAME_LENGTH: Final = 60
SEVERITIES: Final = [(one.value, one.name) for one in Severity]
MIN_SEVERITY_VALUES: Final = [
    one.value for one in (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
]
"""What a channel can ask for at least: what is over always follows what it is about."""
MIN_SEVERITIES: Final = [(one, Severity(one).name) for one in MIN_SEVERITY_VALUES]
OUTCOMES: Final = [(one.value, one.name) for one in Outcome]


class OffBecause(models.TextChoices):
    """Why a channel is switched off. Stable, because the API returns it."""

    PERSON = "person"
    GONE = "gone"
    "the receiver wants no more notices"


@dataclass(frozen=True, slots=True)
class ChannelValue:
    """What a person typed into one field that is no secret."""

    name: str
    value: str


class NoticeChannel(Integration):
    """One receiver of an organization's notices."""

    word: ClassVar = "channel"
    object_kind: ClassVar = "notice_channel"

    kind = models.CharField(max_length=24)
    """A key of portal.notifications.channels.registry.CHANNELS."""
    values = JSONValueField(tuple[ChannelValue, ...], default=tuple)
    secrets = models.BinaryField()
    """The values of the secret fields by name, as JSON, encrypted."""
    notice_kinds = JSONValueField(tuple[str, ...], default=tuple)
    """The kinds of notices that it gets; empty: all."""
    min_severity = models.CharField(
        max_length=8, choices=MIN_SEVERITIES, default=Severity.INFO.value
    )
    off_because = models.CharField(max_length=8, choices=OffBecause.choices, blank=True, default="")
    """Empty while it is switched on."""
    last_success_at = models.DateTimeField(null=True)
    last_failure_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """Failed tries since the last success."""
    last_answer = models.CharField(max_length=MAX_ANSWER_CHARS, blank=True, default="")
    """How the receiver answered the newest try."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "name"], name="notice_channel_once"),
        ]

    @property
    def is_failing(self) -> bool:
        """Whether the newest try failed."""
        return self.failures > 0


class NoticeDelivery(models.Model):
    """One try to deliver a message through a channel, and the receiver's answer."""

    id = models.BigAutoField(primary_key=True)
    channel = models.ForeignKey(NoticeChannel, on_delete=models.CASCADE, related_name="deliveries")
    at = models.DateTimeField()
    message_id = models.UUIDField()
    """The same at every try."""
    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=SEVERITIES)
    title = models.CharField(max_length=120)
    is_test = models.BooleanField(default=False)
    outcome = models.CharField(max_length=8, choices=OUTCOMES)
    answer = models.CharField(max_length=MAX_ANSWER_CHARS, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["channel", "-at", "-id"], name="notice_delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.outcome}"


class PushDevice(models.Model):
    """A browser or phone on which a person wants notices."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=MAX_DEVICE_NAME_LENGTH)
    digest = models.CharField(max_length=64, unique=True)
    """SHA-256 of the endpoint, in hexadecimal."""
    sealed = models.BinaryField()
    """Endpoint, public key and secret of the browser, as JSON, encrypted."""
    public_key = models.CharField(max_length=100)
    """The portal's key by which the browser was allowed."""
    known_device = models.ForeignKey(
        KnownDevice,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
        # A process of the previous release deletes known devices and knows nothing of this column.
        db_constraint=False,
    )
    """The browser, if it was added on a page; it gets no notices once the portal forgets it."""
    token = models.ForeignKey(
        ApiToken,
        on_delete=models.CASCADE,
        to_field="device_id",
        null=True,
        related_name="+",
        # As for known devices.
        db_constraint=False,
    )
    """By which an app added it; it gets no notices once the token has ended."""
    created_at = models.DateTimeField()
    last_success_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "-created_at"], name="push_device_own")]

    def __str__(self) -> str:
        return self.name
