"""The answers to calls that may be repeated."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from portal.organizations.models.organization import Organization

MAX_KEY_LENGTH = 200
"Characters of an idempotency key."


class ResultKind(models.TextChoices):
    """What a call with an idempotency key created."""

    REQUEST = "request"
    "a mitigation request, also that of a standby plan"
    RESOURCE = "resource"
    NOTE = "note"
    "a note on a request"


class IdempotencyKey(models.Model):
    """The first result of a call that a client may repeat: portal.organizations.idempotency."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    sender = models.CharField(max_length=100)
    """Who sent it: the kind of the actor and its id, such as `person:12`."""
    key = models.CharField(max_length=MAX_KEY_LENGTH)
    digest = models.CharField(max_length=64)
    """SHA-256 of the call's content, in hexadecimal."""
    result_kind = models.CharField(max_length=20, choices=ResultKind.choices)
    result_id = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "sender", "result_kind", "key"], name="one_result_per_key"
            ),
        ]

    def __str__(self) -> str:
        return self.key
