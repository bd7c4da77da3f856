"""What people asked for."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

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
    from portal.mitigations.models.mitigation import Mitigation


class MitigationRequest(models.Model):
    """What a person asked for."""

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
    """Null: no person asked for it; see `origin`."""
    origin = models.CharField(
        max_length=16,
        choices=ActorKind.choices,
        default=ActorKind.PERSON,
        db_default=ActorKind.PERSON,
    )
    """Who or what asked for it."""
    origin_name = models.CharField(max_length=200, blank=True, default="", db_default="")
    """The name, at that time, of what asked if that was no person."""
    name = models.CharField(max_length=200)
    """What people call it: the names of its resources, else its first target."""
    asked = JSONValueField(Targets)
    """The targets that were typed in, beside the resources."""
    resources = models.ManyToManyField(ProtectedResource, related_name="requests", blank=True)
    scope = JSONValueField(Targets)
    """All targets, as sent: resources included, sorted, never changed (a refresh repeats it)."""
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
    requested_until = models.DateTimeField(null=True)
    """When the requested lifetime ends; null: it renews automatically, has no end, or no provider
    has confirmed it yet.
    """
    ended_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    replaces = JSONValueField(tuple[uuid.UUID, ...], default=tuple)
    """The live requests that a person allowed it to replace."""
    ended_by = models.CharField(max_length=16, choices=EndedBy.choices, blank=True)
    """Empty: it is not over, or it ended before the portal recorded this."""
    filtering_ended_at = models.DateTimeField(null=True)
    """Of a plan: when the last provider that filtered for it stopped by itself; null once a
    provider filters again.

    A person has to acknowledge it. Each new end sets `acknowledged_at` back to null.
    """
    has_uncovered_targets = models.BooleanField(default=False, db_column="has_gap")
    """Some target has no provider that holds it or may still take it: who said no is
    asked again.
    """

    locked: list[Mitigation] | None = None
    """No column: its mitigations, where `services.locks` locked it."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(origin=ActorKind.PERSON, created_by__isnull=False)
                | (~Q(origin=ActorKind.PERSON) & Q(created_by__isnull=True)),
                name="person_if_origin_is_person",
            ),
        ]
        indexes = [
            # the dashboard: live requests of a tenant; the history: newest first
            models.Index(fields=["organization", "status"], name="request_by_status"),
            models.Index(
                fields=["organization", "kind", "-created_at", "-id"], name="request_newest_first"
            ),
            # the dashboard: requests that ended by themselves and are not acknowledged; few rows,
            # queried often
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
    def requester(self) -> Actor:
        """Who or what asked for it."""
        if self.created_by is not None:
            return Actor.person(self.created_by)
        return Actor(ActorKind(self.origin), name=self.origin_name)

    @property
    def is_over(self) -> bool:
        return self.status in REQUEST_TERMINAL

    def is_past_its_time(self, now: datetime) -> bool:
        """The requested lifetime is over, so no provider is asked any more."""
        return self.requested_until is not None and self.requested_until <= now

    @property
    def is_to_acknowledge(self) -> bool:
        """It ended by itself, or what providers filtered for it did, and no person acknowledged
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
        """Providers act on it at once; the others they hold until contact is lost (status 8)."""
        return self.kind == RequestKind.IMMEDIATE

    @property
    def number(self) -> str:
        """The short form people read out on the phone."""
        text = self.pk.hex
        return f"{text[:4]}-{text[4:8]}"
