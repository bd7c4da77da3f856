"""The source of an action: a person, or another named source."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db import models

from portal.accounts.acting import Acting
from portal.accounts.models import User
from portal.core.errors import NotAllowed


class ActorKind(models.TextChoices):
    """The kinds of sources that can act in the portal."""

    PERSON = "person"
    STAFF = "staff"
    "a member of the portal's staff who acts for the organization"
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
    "of a person, also of staff"
    acting: Acting | None = None
    "of staff"
    token: str = field(default="", compare=False, repr=False)
    "the key of the row of the API token by which a person acts; empty with a session"

    @classmethod
    def person(cls, user: User) -> Actor:
        """The person; staff if the call acts for an organization."""
        if user.acting is not None:
            return cls.staff(user, user.acting)
        token = user.acting_token.pk if user.acting_token else ""
        return cls(ActorKind.PERSON, str(user.pk), user.username, user, token=token)

    @classmethod
    def staff(cls, user: User, acting: Acting) -> Actor:
        return cls(ActorKind.STAFF, str(user.pk), acting.name_of(user.username), user, acting)

    @property
    def acting_reason(self) -> str:
        """Why staff act for the organization; empty for everyone else."""
        return self.acting.reason if self.acting else ""

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
