"""The log: numbered events per organization, and how far each consumer has read it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from portal.audit.origin import OriginData
from portal.core.broadcast import EventFrame
from portal.events.data import EventData


class EventType(models.TextChoices):
    """The stable names of the API."""

    REQUEST_SUBMITTED = "request.submitted"
    REQUEST_STATUS = "request.status"
    REQUEST_TERMINATE_REQUESTED = "request.terminate_requested"
    REQUEST_EXTENDED = "request.extended"
    REQUEST_ACKNOWLEDGED = "request.acknowledged"
    REQUEST_APPROVED = "request.approved"
    REQUEST_DECLINED = "request.declined"
    REQUEST_BREAK_GLASS = "request.break_glass"
    REQUEST_NOTE = "request.note"
    REQUEST_TAKEN_OVER = "request.taken_over"
    MITIGATION_ASKED = "mitigation.asked"
    MITIGATION_WITHDRAW_REQUESTED = "mitigation.withdraw_requested"
    MITIGATION_SENT = "mitigation.sent"
    MITIGATION_STATUS = "mitigation.status"
    MITIGATION_COUNTERS = "mitigation.counters"
    MITIGATION_REFUSED = "mitigation.refused"
    MITIGATION_EFFICACY = "mitigation.efficacy"
    DRILL_STARTED = "drill.started"
    DRILL_ENDED = "drill.ended"
    UNKNOWN_FOUND = "unknown_mitigation.found"
    UNKNOWN_CHANGED = "unknown_mitigation.changed"
    UNKNOWN_WITHDRAW_REQUESTED = "unknown_mitigation.withdraw_requested"
    UNKNOWN_ADOPTED = "unknown_mitigation.adopted"
    UNKNOWN_ENDED = "unknown_mitigation.ended"
    INCIDENT_BEGAN = "incident.began"
    INCIDENT_CHANGED = "incident.changed"
    PROPOSAL_MADE = "proposal.made"
    PROPOSAL_CONFIRMED = "proposal.confirmed"
    PROPOSAL_DISMISSED = "proposal.dismissed"
    PROPOSAL_ENDED = "proposal.ended"
    SESSION_UP = "session.up"
    SESSION_DOWN = "session.down"
    MEMBER_ADDED = "member.added"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MEMBER_INVITED = "member.invited"
    MEMBER_INVITATION_REVOKED = "member.invitation_revoked"
    MEMBER_JOINED = "member.joined"
    MEMBER_REMOVED = "member.removed"
    MEMBER_FACTOR_RESET_STARTED = "member.second_factor_reset_started"
    MEMBER_FACTOR_RESET_CANCELED = "member.second_factor_reset_canceled"
    MEMBER_SECOND_FACTOR_RESET = "member.second_factor_reset"
    RESOURCE_ADDED = "resource.added"
    RESOURCE_VERIFIED = "resource.verified"
    RESOURCE_RENAMED = "resource.renamed"
    RESOURCE_REMOVED = "resource.removed"
    RESOURCE_CHECKED = "resource.checked"
    RESOURCE_WAITING = "resource.waiting"
    RESOURCE_REFUSED = "resource.refused"
    RESOURCE_PROOF_MISSING = "resource.proof_missing"
    RESOURCE_UNVERIFIED = "resource.unverified"
    SUBSCRIPTION_ADDED = "subscription.added"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    SUBSCRIPTION_CERTIFICATE_REPLACED = "subscription.certificate_replaced"
    SUBSCRIPTION_KEY_MADE = "subscription.key_made"
    SUBSCRIPTION_KEY_DISCARDED = "subscription.key_discarded"
    SUBSCRIPTION_CERTIFICATE_ADDED = "subscription.certificate_added"
    SUBSCRIPTION_REMOVED = "subscription.removed"
    ORGANIZATION_CHANGED = "organization.changed"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    STAFF_ACTING_BEGAN = "staff.acting_began"
    STAFF_ACTING_ENDED = "staff.acting_ended"


class Event(models.Model):
    """One append-only event, numbered per organization; read by timelines, replays and notices."""

    organization_id = models.UUIDField()
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    type = models.CharField(max_length=40, choices=EventType.choices)
    request_id = models.UUIDField(null=True)
    mitigation_id = models.UUIDField(null=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    data: models.JSONField[EventData, EventData] = models.JSONField(default=dict)
    origin: models.JSONField[OriginData | None, OriginData | None] = models.JSONField(null=True)
    """From where and with what the actor acted, for the audit: members never see it here."""
    thinned = models.PositiveIntegerField(default=0)
    """How many counter reports directly before it were removed."""

    class Meta:
        db_table = "mitigations_event"
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["organization_id", "seq"], name="one_event_per_seq"),
        ]
        indexes = [
            # the timeline and the chart of one request
            models.Index(fields=["request_id", "type", "seq"], name="event_of_request"),
            # the check whether a person who is deleted has events; reports have no actor
            models.Index(
                fields=["actor"], condition=models.Q(actor__isnull=False), name="event_of_actor"
            ),
            # availability of sessions: few of an organization's events, in the order of time
            models.Index(
                fields=["organization_id", "at"],
                condition=models.Q(type__in=["session.up", "session.down"]),
                name="event_of_session",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"

    def as_message(self) -> EventFrame:
        """The event as REST and sockets send it."""
        frame = EventFrame(
            seq=self.seq,
            at=self.at.isoformat().replace("+00:00", "Z"),
            type=self.type,
            request=str(self.request_id) if self.request_id else None,
            mitigation=str(self.mitigation_id) if self.mitigation_id else None,
            data=self.data,
        )
        if self.thinned:
            frame["thinned"] = self.thinned
        return frame


class EventCounter(models.Model):
    """The last number given to an event of an organization; its row lock orders the log."""

    organization_id = models.UUIDField(primary_key=True)
    last_seq = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "mitigations_eventcounter"

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.last_seq}"


class EventCursor(models.Model):
    """How far one consumer has read the log of one organization (portal.events.cursors)."""

    consumer = models.CharField(max_length=40)
    organization_id = models.UUIDField()
    seq = models.PositiveBigIntegerField(default=0)
    """The number of the last event that it has handled."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["consumer", "organization_id"], name="one_cursor_per_consumer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.consumer} of {self.organization_id}: {self.seq}"
