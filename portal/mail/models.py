"""Mail that waits to be sent."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

MAX_SUBJECT_LENGTH = 200


class OutgoingMail(models.Model):
    """One mail to one person. The row is deleted when the mail server has accepted it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    to = models.EmailField()
    subject = models.CharField(max_length=MAX_SUBJECT_LENGTH)
    encrypted_body = models.BinaryField()
    """Encrypted, since it may have a link that opens an account."""
    created_at = models.DateTimeField()
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["next_try_at"], name="mail_due")]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"
