"""The mitigation requests."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from portal.accounts.actors import Actor, ActorKind
from portal.core.json_value import JSONValueField
from portal.core.targets import PortRange, Targets
from portal.mitigations.models.columns import BY_ITSELF, EndedBy, RequestKind, Strategy
from portal.mitigations.states import (
    REQUEST_TERMINAL,
    RequestStatus,
)
from portal.organizations.models import Organization, ProtectedResource

if TYPE_CHECKING:
    from portal.mitigations.models.approval import RequestApproval
    from portal.mitigations.models.mitigation import Mitigation


PEOPLE: Final = [str(ActorKind.PERSON), str(ActorKind.STAFF)]
"""The kinds of sources that are people."""


class MitigationRequest(models.Model):
    """A mitigation request."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(
        max_length=16, choices=RequestKind.choices, default=RequestKind.IMMEDIATE
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="requests"
    )
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="requests"
    )
    """Null if no person requested it; see `origin`."""
    origin = models.CharField(
        max_length=16,
        choices=ActorKind.choices,
        default=ActorKind.PERSON,
        db_default=ActorKind.PERSON,
    )
    """The kind of its source."""
    origin_name = models.CharField(max_length=200, blank=True, default="", db_default="")
    """The name of the source at that time, unless a member."""
    name = models.CharField(max_length=200)
    """Its name for people: the names of its resources, else its first target."""
    asked = JSONValueField(Targets)
    """The typed targets, without the resources."""
    resources = models.ManyToManyField(ProtectedResource, related_name="requests", blank=True)
    scope = JSONValueField(Targets)
    """All targets, as sent: with those of the resources, sorted, never changed (a refresh repeats
    it).
    """
    ports = JSONValueField(tuple[PortRange, ...], default=tuple)
    protocols = JSONValueField(tuple[int, ...], default=tuple)
    lifetime_s = models.BigIntegerField()
    auto_renew = models.BooleanField(default=True)
    strategy = models.CharField(max_length=16, choices=Strategy.choices)
    subscriptions = JSONValueField(tuple[uuid.UUID, ...], default=tuple)
    """The subscriptions that may be asked, in order."""
    reason = models.TextField(blank=True)
    status = models.CharField(max_length=24, choices=RequestStatus.choices)
    terminate_asked_at = models.DateTimeField(null=True)
    terminate_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    terminate_asked_by_token = models.CharField(
        max_length=64, blank=True, default="", db_default=""
    )
    """The name of the service token that terminated it."""
    requested_until = models.DateTimeField(null=True)
    """When the requested lifetime ends; null if it renews automatically, is indefinite, or no
    provider has confirmed it yet.
    """
    ended_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    responsible = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The person who took it over last; null until someone does."""
    responsible_since = models.DateTimeField(null=True)
    replaces = JSONValueField(tuple[uuid.UUID, ...], default=tuple)
    """The live requests that a person allowed it to replace."""
    ended_by = models.CharField(max_length=16, choices=EndedBy.choices, blank=True)
    """Empty if it has not ended, or ended before the portal recorded this."""
    filtering_ended_at = models.DateTimeField(null=True)
    """For a plan: when the last provider that filtered for it stopped on its own; null once a
    provider filters again.

    A person has to acknowledge it. Each new end resets `acknowledged_at` to null.
    """
    has_uncovered_targets = models.BooleanField(default=False, db_column="has_gap")
    """No provider holds some target or may still accept it: providers that refused are retried."""

    locked: list[Mitigation] | None = None
    """Not a column: its mitigations, if `services.locks` locked it."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(origin__in=PEOPLE, created_by__isnull=False)
                | (~Q(origin__in=PEOPLE) & Q(created_by__isnull=True)),
                name="person_if_origin_is_person",
            ),
        ]
        indexes = [
            # the dashboard: live requests of a tenant; the history: newest first
            models.Index(fields=["organization", "status"], name="request_by_status"),
            models.Index(
                fields=["organization", "kind", "-created_at", "-id"], name="request_newest_first"
            ),
            # the dashboard: requests with an unacknowledged, unrequested end; few rows, queried
            # often
            models.Index(
                fields=["organization", "-ended_at"],
                condition=models.Q(
                    acknowledged_at__isnull=True, ended_by__in=[str(one) for one in BY_ITSELF]
                ),
                name="request_to_acknowledge",
            ),
            models.Index(
                fields=["organization", "-filtering_ended_at"],
                condition=models.Q(acknowledged_at__isnull=True, filtering_ended_at__isnull=False),
                name="plan_to_acknowledge",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"

    def get_absolute_url(self) -> str:
        return reverse("requests:request", args=[self.organization.slug, self.pk])

    @property
    def approval_row(self) -> RequestApproval | None:
        """None if no one had to approve it."""
        return getattr(self, "approval", None)

    @property
    def waits_for_approval(self) -> bool:
        """Nothing has been sent to any provider."""
        return self.status == RequestStatus.AWAITING_APPROVAL

    @property
    def requester(self) -> Actor:
        """The source that requested it."""
        if self.created_by is not None and self.origin == ActorKind.PERSON:
            return Actor.person(self.created_by)
        return Actor(ActorKind(self.origin), name=self.origin_name)

    @property
    def terminator(self) -> Actor | None:
        """The person or program that terminated it; None: the portal, or no one."""
        if self.terminate_asked_by_token:
            return Actor(ActorKind.SERVICE_TOKEN, name=self.terminate_asked_by_token)
        return Actor.person(self.terminate_asked_by) if self.terminate_asked_by else None

    @property
    def is_over(self) -> bool:
        return self.status in REQUEST_TERMINAL

    def is_past_its_time(self, now: datetime) -> bool:
        """The requested lifetime has ended, so no provider is asked any more."""
        return self.requested_until is not None and self.requested_until <= now

    @property
    def is_to_acknowledge(self) -> bool:
        """It ended, or filtering for it did, without a person's request, and no person acknowledged
        that.
        """
        if self.acknowledged_at is not None:
            return False
        is_by_itself = self.is_immediate and self.ended_by in BY_ITSELF
        return is_by_itself or self.filtering_ended_at is not None

    @property
    def last_end_at(self) -> datetime | None:
        """When it ended or, of a plan, when the filtering for it did: the end that a person
        acknowledges.
        """
        return self.filtering_ended_at or self.ended_at

    @property
    def is_immediate(self) -> bool:
        """Providers act on it immediately; others are held until contact is lost (status 8)."""
        return self.kind == RequestKind.IMMEDIATE

    @property
    def number(self) -> str:
        """The short reference for people."""
        text = self.pk.hex
        return f"{text[:4]}-{text[4:8]}"
