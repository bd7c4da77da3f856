"""The source of an action: a person, or another named source."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models

from portal.accounts.models import User
from portal.core.errors import NotAllowed


class ActorKind(models.TextChoices):
    """The kinds of sources that can act in the portal."""

    PERSON = "person"
    SERVICE_TOKEN = "service_token"  # noqa: S105 - no password
    ALERT_SOURCE = "alert_source"
    POLICY = "policy"
    "a rule that the organization configured"
    PROVIDER = "provider"
    PORTAL = "portal"
    "the portal's own housekeeping"


@dataclass(frozen=True, slots=True)
class Actor:
    """One source of actions, as it is now."""

    kind: ActorKind
    id: str = ""
    "of the user, token, source or provider, as text"
    name: str = ""
    "what people call it; empty for the portal and its policy"
    user: User | None = None
    "of a person"

    @classmethod
    def person(cls, user: User) -> Actor:
        return cls(ActorKind.PERSON, str(user.pk), user.username, user)

    @classmethod
    def service_token(cls, token: object, name: str) -> Actor:
        return cls(ActorKind.SERVICE_TOKEN, str(token), name)

    @classmethod
    def alert_source(cls, source: object, name: str) -> Actor:
        return cls(ActorKind.ALERT_SOURCE, str(source), name)

    @classmethod
    def provider(cls, provider: object, name: str) -> Actor:
        return cls(ActorKind.PROVIDER, str(provider), name)

    @classmethod
    def policy(cls) -> Actor:
        return cls(ActorKind.POLICY)

    @classmethod
    def portal(cls) -> Actor:
        return cls(ActorKind.PORTAL)

    def require_person(self) -> User:
        """The person. Raises NotAllowed for any other source."""
        if self.user is None:
            raise NotAllowed("Only a person can do this.", code="persons-only")
        return self.user
