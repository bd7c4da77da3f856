"""How much of a person's rights a token has."""

from __future__ import annotations

from django.db import models


class Scope(models.TextChoices):
    """Each scope includes the scopes before it."""

    READ = "read"
    "what a viewer may"
    REQUEST = "request"
    "what an operator may"
    ADMIN = "admin"
    "all that the person may"

    def covers(self, needed: Scope) -> bool:
        ladder = list(Scope)
        return ladder.index(self) >= ladder.index(needed)
