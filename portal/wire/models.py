"""The wire journal: the messages exchanged with providers, kept for a while as evidence."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.db import models

from portal.mitigations.models import Mitigation
from portal.organizations.models import Organization
from portal.providers.models import Subscription


class Direction(models.TextChoices):
    """The direction of a message; NOT_KEPT marks missing ones."""

    SENT = "sent"
    RECEIVED = "received"
    NOT_KEPT = "not_kept"


class Topic(models.TextChoices):
    """What a message is about, judged by its path."""

    MITIGATION = "mitigation"
    SESSION = "session"
    OTHER = "other"
    HEARTBEAT = "heartbeat"


class WireMessage(models.Model):
    """One message on the wire; or, with NOT_KEPT, how many are missing before it."""

    # The indexes below start with the searched columns: more of them would only slow down writing.
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    mitigation = models.ForeignKey(
        Mitigation, on_delete=models.CASCADE, null=True, related_name="+", db_index=False
    )
    """Null: about the session, not about one mitigation."""
    at = models.DateTimeField()
    direction = models.CharField(max_length=8, choices=Direction.choices)
    topic = models.CharField(max_length=10, choices=Topic.choices)
    kind = models.CharField(max_length=4, blank=True)
    """CON, NON, ACK or RST; TCP for messages without a type."""
    code = models.CharField(max_length=4, blank=True)
    """`0.03` or `2.01`; `0.00` is an empty message."""
    method = models.CharField(max_length=8, blank=True)
    """The method of a request; for a response, that of its request if known."""
    path = models.CharField(max_length=400, blank=True)
    """The path of the request, also for its response."""
    options = models.CharField(max_length=400, blank=True)
    """The other options, as text."""
    body = models.TextField(blank=True)
    """The decoded body as JSON with the names of RFC 9132; empty if there is none or it cannot be
    read.
    """
    not_read = models.TextField(blank=True, default="", db_default="")
    """The parts of a provider's answer that the portal could not read and ignored, one per line."""
    octets = models.BinaryField(blank=True)
    """The whole message, header and body, at most `services.MAX_OCTETS_SAVED` of it."""
    size = models.PositiveIntegerField(default=0)
    """Bytes of the whole message, of which fewer may be saved."""
    run = models.UUIDField(null=True)
    """The same for all copies of one request that were sent before an answer."""
    copy = models.PositiveIntegerField(default=1)
    """1 for the first of them."""
    count = models.PositiveIntegerField(default=0)
    """NOT_KEPT: how many messages."""

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        indexes: ClassVar = [
            # the journal of a request, newest first
            models.Index(fields=["mitigation", "-at", "-id"], name="wire_of_mitigation"),
            # for the messages of the session in that time, and for the oldest beyond the limit
            models.Index(fields=["subscription", "-at", "-id"], name="wire_of_subscription"),
            # the copies of a request
            models.Index(fields=["run"], condition=models.Q(run__isnull=False), name="wire_copies"),
            # what is too old
            models.Index(fields=["at"], name="wire_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.code} {self.path}"

    @property
    def decoded(self) -> Any:
        """The body as JSON values; None if there is none or it cannot be read."""
        return json.loads(self.body) if self.body else None

    @property
    def is_cut(self) -> bool:
        return self.size > len(self.octets)
