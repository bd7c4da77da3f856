"""An organization's single sign-on: its identity provider, its email domains, and its links."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django_otp.models import Device

from portal.core.json_value import JSONValueField
from portal.organizations.models import Organization
from portal.ownership.places import LABEL, new_token, value_of
from portal.ownership.states import ProofResult

MAX_ISSUER_LENGTH = 255
MAX_CLIENT_ID_LENGTH = 190
MAX_SECRET_LENGTH = 190
"""As long as allauth's own columns."""
MAX_SUBJECT_LENGTH = 255
"""OpenID Connect Core 1.0, section 2: `sub`."""
MAX_GROUP_LENGTH = 200
MAX_CLAIM_NAME_LENGTH = 64
RESULTS = [(one.value, one.name) for one in ProofResult]


@dataclass(frozen=True, slots=True)
class GroupRole:
    """The role that the members of one group at the identity provider get."""

    group: str
    role: str


class SingleSignOn(models.Model):
    """The OpenID Connect identity provider of one organization."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="single_sign_on"
    )
    issuer = models.CharField(max_length=MAX_ISSUER_LENGTH)
    client_id = models.CharField(max_length=MAX_CLIENT_ID_LENGTH)
    encrypted_secret = models.BinaryField()
    groups_claim = models.CharField(max_length=MAX_CLAIM_NAME_LENGTH, blank=True, default="")
    """Which claim of the ID token lists the groups; empty: groups do not matter."""
    roles = JSONValueField(tuple[GroupRole, ...], default=tuple)
    adds_members = models.BooleanField(default=False)
    """An unknown person of a proved domain becomes a member."""
    has_second_factor = models.BooleanField(default=False)
    """An admin declared that the identity provider asks everyone for a second factor."""
    is_required = models.BooleanField(default=False)
    """Members who are not admins cannot sign in with a password."""
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.issuer} of {self.organization_id}"


class EmailDomain(models.Model):
    """A domain whose addresses the organization's identity provider may vouch for, once proved."""

    object_kind: ClassVar = "domain"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="email_domains"
    )
    name = models.CharField(max_length=253)
    """In A-label form and lower case."""
    token = models.CharField(max_length=43, default=new_token, editable=False)
    """The text that only the owner of the domain can publish. No secret: it is published."""
    asked_at = models.DateTimeField(null=True)
    """Since when a check waits or runs; null: none does."""
    started_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    result = models.CharField(max_length=16, choices=RESULTS, blank=True, default="")
    """What the last check found."""
    is_taken = models.BooleanField(default=False)
    """The record is there, but another organization proved this domain first."""
    proved_at = models.DateTimeField(null=True)
    missing_since = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "name"], name="email_domain_once"),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(proved_at__isnull=False),
                name="email_domain_proved_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        """The name at which the TXT record has to be."""
        return f"{LABEL}.{self.name}"

    @property
    def record(self) -> str:
        """The text of the TXT record."""
        return value_of(self.token)


class FederatedIdentity(models.Model):
    """A member as the identity provider knows the person: its issuer and subject, never the
    address.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="federated_identities"
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=MAX_ISSUER_LENGTH)
    subject = models.CharField(max_length=MAX_SUBJECT_LENGTH)
    has_mapped_role = models.BooleanField(default=False)
    """The role comes from a group, so it ends with the group."""
    linked_at = models.DateTimeField()
    last_used_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "issuer", "subject"], name="federated_subject_once"
            ),
            models.UniqueConstraint(
                fields=["organization", "issuer", "user"], name="federated_person_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class FederatedFactor(Device):
    """What the sessions of one identity are bound to. Without this row they are not verified, so
    deleting it ends them all at once, and their sockets.
    """

    identity = models.OneToOneField(
        FederatedIdentity, on_delete=models.CASCADE, related_name="factor"
    )

    def __str__(self) -> str:
        return f"{self.name} of {self.user_id}"
