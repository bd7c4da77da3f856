"""What was asked, what is wanted, what was observed, and the log of it all."""

from __future__ import annotations

import ipaddress
import uuid
from datetime import datetime, timedelta
from typing import Any, TypedDict

from django.conf import settings
from django.db import models
from django.urls import reverse

from portal.core.targets import IPNetwork
from portal.mitigations.letting_go import MAX_LET_GO_TRIES, is_held_after
from portal.mitigations.states import (
    ATTACK_STATUSES,
    KNOWN_REPORTS,
    NOT_SENDABLE,
    REQUEST_TERMINAL,
    SET_BACK,
    TERMINAL,
    Efficacy,
    RequestStatus,
    Status,
)
from portal.organizations.models import Organization, ProtectedResource
from portal.providers.models import Subscription

REPORTS_MISSING_AFTER = timedelta(seconds=60)
"""A provider that reports amounts and is not heard for longer was silent meanwhile."""
MAX_COUNTER = 2**63 - 1
"""DOTS counters are unsigned 64-bit integers; what a database's bigint cannot hold is shown as its maximum."""


class Targets(TypedDict):
    """JSON of what is to be protected: network addresses in CIDR form, names, URIs."""

    prefixes: list[str]
    fqdns: list[str]
    uris: list[str]


class HeldTargets(Targets):
    """JSON of the targets that a provider names, each as it wrote them."""

    aliases: list[str]
    """Names for targets that some other program gave the provider; the portal does not know what they stand for."""


def every_target(scope: Targets) -> tuple[str, ...]:
    """The targets of a scope, one by one: addresses, then names, then URIs."""
    return (*scope["prefixes"], *scope["fqdns"], *scope["uris"])


class Port(TypedDict):
    """JSON of a port range; `lower` equals `upper` for one port."""

    lower: int
    upper: int


class Strategy(models.TextChoices):
    """Who is asked: one after the other until one helps, or all at once."""

    FAILOVER = "failover"
    PARALLEL = "parallel"


class RequestKind(models.TextChoices):
    """What a request is for: help now, help held in readiness, or a test of that."""

    IMMEDIATE = "immediate"
    STANDBY = "standby"
    DRILL = "drill"


class EndedBy(models.TextChoices):
    """Why a request is over."""

    PERSON = "person"
    """A person terminated it."""
    PORTAL = "portal"
    """The portal withdrew it: a drill was over, a plan had a newer version, a newer request filters all of it."""
    LIFETIME = "lifetime"
    """Its lifetime ran out."""
    NEWER_REQUEST = "newer_request"
    """A provider replaced it by a newer request that protects less."""
    WIDER_REQUEST = "wider_request"
    """A provider replaced it by a newer request that protects at least as much."""
    PROVIDER = "provider"
    """A provider ended it, and no one here asked for that."""


BY_ITSELF = (EndedBy.LIFETIME, EndedBy.NEWER_REQUEST, EndedBy.PROVIDER)
"""Ends that no person asked for and that a person has to acknowledge."""


class Newer(TypedDict):
    """JSON of one request that replaced a mitigation, limited to where the two overlap."""

    request: str
    """its id"""
    name: str
    targets: list[str]
    """the overlapping targets that it protects at this provider"""
    ports: list[Port]
    protocols: list[int]
    """the traffic it is limited to; both empty: all traffic the older one protected"""


class ReplacedBy(TypedDict):
    """JSON of the requests that replaced a mitigation, as they were at that moment."""

    by: list[Newer]
    """empty: the provider named a newer request that the portal does not know"""
    lost: list[str]
    """the targets that lost all or part of their protection; empty: none did"""
    loses: list[str]
    """the same in the API's words, with the part of each that is still protected"""


class FilteringEndedBy(models.TextChoices):
    """Why a provider no longer filters for a plan it had activated, when nobody here had asked it to stop."""

    REARMED = "rearmed"
    """It reports that it holds the plan again."""
    FORGOTTEN = "forgotten"
    """It no longer knows the plan."""
    PROVIDER = "provider"
    """It withdrew or ended it."""
    LIFETIME = "lifetime"
    """The lifetime ran out without a word from the provider."""
    NEWER_REQUEST = "newer_request"
    """It took a newer request for help now instead, which protects less."""


class FilteringEnd(TypedDict):
    """JSON of how a provider stopped filtering for a plan it had activated by itself."""

    at: str
    """when the portal heard of it, ISO 8601"""
    reported_at: str | None
    """when the provider last reported that it acted"""
    by: str
    """a `FilteringEndedBy`"""
    has_filtered: bool
    """False: it was still setting up"""
    conflict: dict[str, Any] | None
    """the reason that the provider gave"""
    replaced_by: ReplacedBy | None
    """of `newer_request`: what it protects instead"""


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
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requests"
    )
    name = models.CharField(max_length=200)
    """What people call it: the names of its resources, else its first target."""
    asked = models.JSONField()
    """`Targets` that were typed in, beside the resources."""
    resources = models.ManyToManyField(ProtectedResource, related_name="requests", blank=True)
    scope = models.JSONField()
    """`Targets` in full, as sent: resources included, sorted, never changed (a refresh repeats it)."""
    ports = models.JSONField(default=list)
    protocols = models.JSONField(default=list)
    lifetime_s = models.BigIntegerField()
    auto_renew = models.BooleanField(default=True)
    strategy = models.CharField(max_length=16, choices=Strategy.choices)
    subscriptions = models.JSONField(default=list)
    """Ids of the subscriptions that may be asked, in order, as text."""
    reason = models.TextField(blank=True)
    status = models.CharField(max_length=24, choices=RequestStatus.choices)
    terminate_asked_at = models.DateTimeField(null=True)
    terminate_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    replaces = models.JSONField(default=list)
    """Ids, as text, of the live requests that a person allowed it to replace."""
    ended_by = models.CharField(max_length=16, choices=EndedBy.choices, blank=True)
    """Empty: it is not over, or it ended before the portal recorded this."""
    filtering_ended_at = models.DateTimeField(null=True)
    """Of a plan: when the last provider that filtered for it stopped by itself; null once a provider filters again.

    A person has to acknowledge it. Each new end sets `acknowledged_at` back to null.
    """
    has_gap = models.BooleanField(default=False)
    """Some target has no provider that holds it or may still take it: who said no is asked again."""

    locked_legs: list[Mitigation] | None = None
    """No column: its mitigations, where `services.advance` locked it."""

    class Meta:
        indexes = [
            # the dashboard: live requests of a tenant; the history: newest first
            models.Index(fields=["organization", "status"], name="request_by_status"),
            models.Index(
                fields=["organization", "kind", "-created_at", "-id"], name="request_newest_first"
            ),
            # the dashboard: requests that ended by themselves and are not acknowledged; few rows, queried often
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
        return reverse("mitigations:request", args=[self.organization.slug, self.pk])

    @property
    def is_over(self) -> bool:
        return self.status in REQUEST_TERMINAL

    @property
    def is_to_acknowledge(self) -> bool:
        """It ended by itself, or what providers filtered for it did, and no person acknowledged that."""
        if self.acknowledged_at is not None:
            return False
        is_by_itself = self.is_immediate and self.ended_by in BY_ITSELF
        return is_by_itself or self.filtering_ended_at is not None

    @property
    def is_immediate(self) -> bool:
        """Providers act on it at once; the others they hold until contact is lost (status 8)."""
        return self.kind == RequestKind.IMMEDIATE

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        return tuple(ipaddress.ip_network(prefix) for prefix in self.scope["prefixes"])

    @property
    def number(self) -> str:
        """The short form people read out on the phone."""
        text = self.pk.hex
        return f"{text[:4]}-{text[4:8]}"


class Wanted(models.TextChoices):
    """What the portal wants to be true at the provider."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class Mitigation(models.Model):
    """One provider's part of a request: one (cuid, mid), what is wanted, what was observed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    request = models.ForeignKey(
        MitigationRequest, on_delete=models.PROTECT, related_name="mitigations"
    )
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, related_name="mitigations"
    )
    position = models.PositiveSmallIntegerField()
    mid = models.PositiveBigIntegerField()
    scope = models.JSONField()
    """`Targets`: the part of the request's scope that this provider may protect, as first sent, never changed."""
    asked_at = models.DateTimeField()
    because = models.CharField(max_length=200, blank=True)
    """Why this provider was asked after the ones before it, in words."""
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """Who had it asked by hand; null: the request's own order did. Policy never withdraws what a person started."""

    wanted = models.CharField(max_length=16, choices=Wanted.choices, default=Wanted.ACTIVE)
    lifetime_s = models.BigIntegerField()
    refresh_asked_at = models.DateTimeField(null=True)
    """A person extended it: a refresh is due until `refreshed_at` is later."""
    withdrawal_asked_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """Who withdrew this provider alone."""
    withdrawn_because = models.CharField(max_length=200, blank=True)
    """Why policy withdrew it, in words."""
    let_go_at = models.DateTimeField(null=True)
    """When the portal last tried, with a lifetime of 1, to end a withdrawn mitigation that the provider still held."""
    let_go_tries = models.PositiveSmallIntegerField(default=0)
    hold_again = models.BooleanField(default=False)
    """Withdrawn to stop it, not to give it up: once it has ended, the provider is asked to hold the plan again."""
    efficacy = models.PositiveSmallIntegerField(null=True)
    """attack-status a person reported last (1 under attack, 2 mitigated)."""
    efficacy_asked_at = models.DateTimeField(null=True)
    efficacy_answered_at = models.DateTimeField(null=True)
    """`efficacy_asked_at` of the report that has a final answer, or that the provider never answered."""
    efficacy_accepted = models.BooleanField(null=True)
    efficacy_code = models.CharField(max_length=16, blank=True)
    """Why it is not accepted, or not yet; empty: there was no answer."""
    efficacy_reason = models.TextField(blank=True)
    efficacy_retry_at = models.DateTimeField(null=True)
    """When the portal repeats the report, because the provider asked it to wait."""
    efficacy_tries = models.PositiveSmallIntegerField(default=0)
    """How often the provider asked to wait."""

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    dots_status = models.PositiveSmallIntegerField(null=True)
    """The last reported number, known or not; `status` follows those in KNOWN_REPORTS."""
    reported_at = models.DateTimeField(null=True)
    """When the provider last reported a status: a refresh that was accepted says none."""
    sent_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    sends = models.PositiveIntegerField(default=0)
    """Datagrams sent with the request since the portal last began to ask."""
    overdue_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    refreshed_at = models.DateTimeField(null=True)
    mitigating_at = models.DateTimeField(null=True)
    withdrawal_confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    last_heard_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    """When the granted lifetime ends; null while unknown or without end."""
    retry_at = models.DateTimeField(null=True)
    """Not to be asked again before: the provider said so (Max-Age, retry-timer), or our own backoff."""
    setbacks = models.PositiveSmallIntegerField(default=0)
    """How often in a row it was refused or withdrawn: each time the next try waits longer."""
    refusal_code = models.CharField(max_length=16, blank=True)
    """A response code such as 4.03, or the portal's own: see `states.NOT_SENDABLE`."""
    refusal_reason = models.TextField(blank=True)
    conflict = models.JSONField(null=True)
    unsaved_at = models.DateTimeField(null=True)
    """When the provider gave an answer that the portal could not save; null once it saved a later answer."""
    replaced_by = models.JSONField(null=True)
    """`ReplacedBy`: the newer requests that the provider holds instead."""
    filtering_end = models.JSONField(null=True)
    """`FilteringEnd` of a plan; null while the provider acts, and where a person had it stop."""
    mitigation_start = models.DateTimeField(null=True)
    bytes_dropped = models.PositiveBigIntegerField(null=True)
    pkts_dropped = models.PositiveBigIntegerField(null=True)
    bps_dropped = models.PositiveBigIntegerField(null=True)
    """BYTES per second (RFC 9132 YANG units)."""
    pps_dropped = models.PositiveBigIntegerField(null=True)
    counters_since = models.DateTimeField(null=True)
    """When these counters were first reported: the time of their event."""
    counters_at = models.DateTimeField(null=True)
    """When they were last reported; equal ones are no event of their own."""

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "mid"], name="one_meaning_per_mid"),
            # Who was withdrawn may be asked again, under another mid.
            models.UniqueConstraint(
                fields=["request", "subscription"],
                condition=models.Q(wanted="active"),
                name="one_wanted_leg_per_provider",
            ),
        ]
        indexes = [
            # the agent's sweep: what a subscription still has to do
            models.Index(
                fields=["subscription"],
                condition=~models.Q(status__in=[str(status) for status in TERMINAL]),
                name="mitigation_live",
            ),
            # the sweep over what is to be held again: few rows, looked for often
            models.Index(
                fields=["withdrawal_confirmed_at"],
                condition=models.Q(hold_again=True),
                name="mitigation_held_again",
            ),
        ]

    def __str__(self) -> str:
        return f"mid {self.mid} at {self.subscription_id} ({self.status})"

    @property
    def unknown_report(self) -> int | None:
        """The last reported status number if the portal does not know it."""
        return None if self.dots_status in (None, *KNOWN_REPORTS) else self.dots_status

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL

    @property
    def is_replaced(self) -> bool:
        """The provider holds a newer request of ours instead; nobody asked for its end."""
        is_given_up = self.status == Status.WITHDRAWN and self.wanted == Wanted.WITHDRAWN
        return is_given_up and self.withdrawal_asked_at is None

    @property
    def networks(self) -> tuple[IPNetwork, ...]:
        return tuple(ipaddress.ip_network(prefix) for prefix in self.scope["prefixes"])

    @property
    def is_not_sendable(self) -> bool:
        """The portal cannot encode it: it was not sent, or no more copies are sent."""
        is_waiting = self.status == Status.PENDING and self.retry_at is not None
        is_set_back = self.status == Status.REFUSED or is_waiting
        return is_set_back and self.refusal_code == NOT_SENDABLE

    @property
    def is_asked_no_more(self) -> bool:
        """Whatever time was named for the next message about it has no meaning any more."""
        is_given_up = self.status in SET_BACK and self.wanted == Wanted.WITHDRAWN
        return self.is_over or is_given_up or self.request.is_over

    @property
    def next_ask_at(self) -> datetime | None:
        """The portal does not ask the provider before; None: it may ask at once, or never does again."""
        return None if self.is_asked_no_more else self.retry_at

    @property
    def next_efficacy_at(self) -> datetime | None:
        """When the provider, which asked to wait, is told again how the attack looks; None: it is not."""
        return None if self.is_asked_no_more else self.efficacy_retry_at

    @property
    def is_told_to_wait(self) -> bool:
        """The provider itself named the time before which it must not be asked (SC-046), not our own backoff."""
        if self.retry_at is None or self.is_not_sendable or self.unsaved_at is not None:
            return False
        return self.status == Status.PENDING or "retry_after" in (self.conflict or {})

    @property
    def is_still_held(self) -> bool:
        """The provider confirmed the withdrawal but still reports the mitigation as in standby."""
        return self.status == Status.TERMINATING and is_held_after(
            self.withdrawal_confirmed_at, dots_status=self.dots_status, reported_at=self.reported_at
        )

    @property
    def is_let_go_given_up(self) -> bool:
        return self.let_go_tries >= MAX_LET_GO_TRIES

    @property
    def attack_status(self) -> str:
        """The last attack status a person reported, in the API's words; empty: none was reported."""
        return next(
            (word for word, number in ATTACK_STATUSES.items() if number == self.efficacy), ""
        )

    @property
    def efficacy_state(self) -> Efficacy | None:
        """None: no person reported an attack status, or its outcome is unknown."""
        if self.efficacy_asked_at is None:
            return None
        if self.efficacy_asked_at != self.efficacy_answered_at:
            return Efficacy.PUT_OFF if self.efficacy_retry_at else Efficacy.WAITING
        if self.efficacy_accepted is None:
            return None  # answered before the portal recorded outcomes
        if self.efficacy_accepted:
            return Efficacy.ACCEPTED
        if self.efficacy_code == NOT_SENDABLE:
            return Efficacy.NOT_SENDABLE
        return Efficacy.REFUSED if self.efficacy_code else Efficacy.UNANSWERED

    def lifetime_remaining_s(self, now: datetime) -> int | None:
        """Whole seconds until the granted lifetime ends, not below 0; None while unknown."""
        if self.expires_at is None:
            return None
        return max(0, (self.expires_at - now) // timedelta(seconds=1))


class EventType(models.TextChoices):
    """The stable names of API.md."""

    REQUEST_SUBMITTED = "request.submitted"
    REQUEST_STATUS = "request.status"
    REQUEST_TERMINATE_REQUESTED = "request.terminate_requested"
    REQUEST_EXTENDED = "request.extended"
    REQUEST_ACKNOWLEDGED = "request.acknowledged"
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
    SESSION_UP = "session.up"
    SESSION_DOWN = "session.down"


class Event(models.Model):
    """One append-only line, numbered per organization: timeline, replay, later notices."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    type = models.CharField(max_length=40, choices=EventType.choices)
    request = models.ForeignKey(
        MitigationRequest, on_delete=models.PROTECT, null=True, related_name="events"
    )
    mitigation = models.ForeignKey(
        Mitigation, on_delete=models.PROTECT, null=True, related_name="events"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    data = models.JSONField(default=dict)
    thinned = models.PositiveIntegerField(default=0)
    """So many counter reports directly before it are no longer kept."""

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["organization", "seq"], name="one_event_per_seq"),
        ]
        indexes = [
            # the timeline and the chart of one request
            models.Index(fields=["request", "type", "seq"], name="event_of_request"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"

    def as_message(self) -> dict[str, Any]:
        """The object of API.md, as sent by REST and sockets."""
        thinned = {"thinned": self.thinned} if self.thinned else {}
        return {
            "seq": self.seq,
            **thinned,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "type": self.type,
            "request": str(self.request_id) if self.request_id else None,
            "mitigation": str(self.mitigation_id) if self.mitigation_id else None,
            "data": self.data,
        }


class EventCounter(models.Model):
    """The last number given to an event of an organization; its row lock orders the log."""

    organization = models.OneToOneField(
        Organization, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    last_seq = models.PositiveBigIntegerField(default=0)
    thinned_to = models.PositiveBigIntegerField(default=0)
    """Up to this number old counter reports were thinned."""

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.last_seq}"


class IdempotencyKey(models.Model):
    """A key sent with a submission: the same key and content give the first answer again."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    """SHA-256 of the submission, in hexadecimal."""
    request = models.ForeignKey(MitigationRequest, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "user", "key"], name="one_submission_per_key"
            ),
        ]

    def __str__(self) -> str:
        return self.key
