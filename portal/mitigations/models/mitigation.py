"""What the portal wants of one provider, and what it observed."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from portal.core.json_value import JSONValueField
from portal.core.targets import Targets
from portal.mitigations.causes import FAILOVER_CAUSES, Cause, WithdrawnCause
from portal.mitigations.models.columns import FilteringEnd, ProviderConflict, ReplacedBy
from portal.mitigations.models.request import MitigationRequest
from portal.mitigations.release import MAX_RELEASE_TRIES, is_held_after_withdrawal
from portal.mitigations.states import (
    ATTACK_STATUSES,
    KNOWN_REPORTS,
    NOT_SENDABLE,
    SET_BACK,
    TERMINAL,
    Efficacy,
    Status,
)
from portal.organizations.models import Organization
from portal.providers.models import Subscription

REPORTS_MISSING_AFTER = timedelta(seconds=60)
"""A provider that reports amounts and is not heard for longer was silent in between."""
MAX_COUNTER = 2**63 - 1
"""DOTS counters are unsigned 64-bit integers; values beyond a database's bigint are saved as its
maximum.
"""


class Wanted(models.TextChoices):
    """The state that the portal wants at the provider."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class Mitigation(models.Model):
    """One provider's part of a request: one (cuid, mid), the wanted state, the observed state."""

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
    scope = JSONValueField(Targets)
    """Those of the request that this provider may protect, as first sent; never changed."""
    asked_at = models.DateTimeField()
    cause = models.CharField(
        max_length=16, choices=Cause.choices, default=Cause.FIRST, db_default=Cause.FIRST
    )
    """Why this provider was asked."""
    cause_subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The provider that did not help, for a cause in FAILOVER_CAUSES."""
    cause_text = models.CharField(
        max_length=200, blank=True, default="", db_default="", db_column="because"
    )
    """The reason as an earlier release saved it; shown if the code or the provider is unknown."""
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The person who asked it manually; null if failover did.

    Policy never withdraws what a person started.
    """

    wanted = models.CharField(max_length=16, choices=Wanted.choices, default=Wanted.ACTIVE)
    lifetime_s = models.BigIntegerField()
    refresh_asked_at = models.DateTimeField(null=True)
    """A person extended it: a refresh is due until `refreshed_at` is later."""
    withdrawal_asked_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    """The person who withdrew this provider alone."""
    withdrawn_cause = models.CharField(
        max_length=16, choices=WithdrawnCause.choices, blank=True, default="", db_default=""
    )
    """Why policy withdrew it; empty if it did not."""
    withdrawn_for = JSONValueField(tuple[uuid.UUID, ...], default=tuple, db_default=[])
    """The subscriptions whose providers filter instead."""
    withdrawn_cause_text = models.CharField(
        max_length=200, blank=True, default="", db_default="", db_column="withdrawn_because"
    )
    """The reason as an earlier release saved it; shown if the code or a provider is unknown."""
    release_tried_at = models.DateTimeField(null=True, db_column="let_go_at")
    """When the portal last tried, with a lifetime of 1, to end a withdrawn mitigation that the
    provider still held.
    """
    release_tries = models.PositiveSmallIntegerField(default=0, db_column="let_go_tries")
    hold_again = models.BooleanField(default=False)
    """Withdrawn to stop it, not to give it up: once it has ended, the provider is asked to hold the
    plan again.
    """
    efficacy = models.PositiveSmallIntegerField(null=True)
    """The attack-status that a person reported last (1 under attack, 2 mitigated)."""
    efficacy_asked_at = models.DateTimeField(null=True)
    efficacy_answered_at = models.DateTimeField(null=True)
    """`efficacy_asked_at` of the report that has a final answer, or that the provider never
    answered.
    """
    efficacy_accepted = models.BooleanField(null=True)
    efficacy_code = models.CharField(max_length=16, blank=True)
    """Why it is not accepted, or not yet; empty if there was no answer."""
    efficacy_reason = models.TextField(blank=True)
    efficacy_retry_at = models.DateTimeField(null=True)
    """When the portal repeats the report, because the provider asked it to wait."""
    efficacy_tries = models.PositiveSmallIntegerField(default=0)
    """How often the provider asked to wait."""

    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    dots_status = models.PositiveSmallIntegerField(null=True)
    """The last reported number, known or not; `status` follows those in KNOWN_REPORTS."""
    reported_at = models.DateTimeField(null=True)
    """When the provider last reported a status; an accepted refresh reports none."""
    sent_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    sends = models.PositiveIntegerField(default=0)
    """Datagrams sent with the request since the portal last started to ask."""
    overdue_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    refreshed_at = models.DateTimeField(null=True)
    mitigating_at = models.DateTimeField(null=True)
    withdrawal_confirmed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    last_heard_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    """When the granted lifetime ends; null if unknown or indefinite."""
    retry_at = models.DateTimeField(null=True)
    """The earliest time to ask again, set by the provider (Max-Age, retry-timer) or by the portal's
    backoff.
    """
    setbacks = models.PositiveSmallIntegerField(default=0)
    """How often in a row it was refused or withdrawn: each time the next attempt waits longer."""
    refusal_code = models.CharField(max_length=16, blank=True)
    """A response code such as 4.03, or the portal's own: see `states.NOT_SENDABLE`."""
    refusal_reason = models.TextField(blank=True)
    conflict = JSONValueField(ProviderConflict, null=True)
    unsaved_at = models.DateTimeField(null=True)
    """When the provider gave an answer that the portal could not save; null once it saved a later
    answer.
    """
    replaced_by = JSONValueField(ReplacedBy, null=True)
    """The newer requests that the provider holds instead."""
    filtering_end = JSONValueField(FilteringEnd, null=True)
    """For a plan; null while the provider acts, and if a person had it stop."""
    mitigation_start = models.DateTimeField(null=True)
    bytes_dropped = models.PositiveBigIntegerField(null=True)
    pkts_dropped = models.PositiveBigIntegerField(null=True)
    bps_dropped = models.PositiveBigIntegerField(null=True)
    """BYTES per second (RFC 9132 YANG units)."""
    pps_dropped = models.PositiveBigIntegerField(null=True)
    counters_since = models.DateTimeField(null=True)
    """When these counters were first reported: the time of their event."""
    counters_at = models.DateTimeField(null=True)
    """When they were last reported; equal ones are no separate event."""
    version = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    """A trigger adds 1 when anything but numbers changes (`row_version.NUMBERS`)."""

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["subscription", "mid"], name="one_meaning_per_mid"),
            # A withdrawn provider may be asked again, under another mid.
            models.UniqueConstraint(
                fields=["request", "subscription"],
                condition=models.Q(wanted="active"),
                name="one_wanted_mitigation_per_provider",
            ),
        ]
        indexes = [
            # for the agent's sweep: mitigations of a subscription with pending work
            models.Index(
                fields=["subscription"],
                condition=~models.Q(status__in=[str(status) for status in TERMINAL]),
                name="mitigation_live",
            ),
            # for the sweep of plans to be held again: few rows, queried often
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
    def is_extended(self) -> bool:
        """A person extended it, and the provider has not confirmed that yet."""
        asked, refreshed = self.refresh_asked_at, self.refreshed_at
        return asked is not None and (refreshed is None or refreshed < asked)

    @property
    def is_replaced(self) -> bool:
        """The provider holds a newer request of ours instead, and no person requested its end."""
        is_given_up = self.status == Status.WITHDRAWN and self.wanted == Wanted.WITHDRAWN
        return is_given_up and self.withdrawal_asked_at is None

    @property
    def is_failover(self) -> bool:
        """Failover asked it instead of another provider, and no person did.

        A process of the earlier release saves only the text, with the default cause.
        """
        is_old_failover = self.cause == Cause.FIRST and self.cause_text != ""
        return self.asked_by_id is None and (self.cause in FAILOVER_CAUSES or is_old_failover)

    @property
    def is_not_sendable(self) -> bool:
        """The portal cannot encode it: it was not sent, or no more copies are sent."""
        is_waiting = self.status == Status.PENDING and self.retry_at is not None
        is_set_back = self.status == Status.REFUSED or is_waiting
        return is_set_back and self.refusal_code == NOT_SENDABLE

    @property
    def is_no_longer_requested(self) -> bool:
        """A time named for the next message about it no longer matters."""
        is_given_up = self.status in SET_BACK and self.wanted == Wanted.WITHDRAWN
        return self.is_over or is_given_up or self.request.is_over

    @property
    def next_ask_at(self) -> datetime | None:
        """The portal does not ask the provider before this time; None if it may ask now, or never
        does again.
        """
        return None if self.is_no_longer_requested else self.retry_at

    @property
    def next_efficacy_at(self) -> datetime | None:
        """When the portal repeats the attack status to a provider that asked to wait; None if it
        does not.
        """
        return None if self.is_no_longer_requested else self.efficacy_retry_at

    @property
    def must_wait(self) -> bool:
        """The provider itself named the time before which it must not be asked (SC-046); it is not
        the portal's backoff.
        """
        if self.retry_at is None or self.is_not_sendable or self.unsaved_at is not None:
            return False
        return self.status == Status.PENDING or (
            self.conflict is not None and self.conflict.retry_after is not None
        )

    @property
    def is_still_held(self) -> bool:
        """The provider confirmed the withdrawal but still reports the mitigation as in standby."""
        return self.status == Status.TERMINATING and is_held_after_withdrawal(
            self.withdrawal_confirmed_at, dots_status=self.dots_status, reported_at=self.reported_at
        )

    @property
    def is_release_given_up(self) -> bool:
        return self.release_tries >= MAX_RELEASE_TRIES

    @property
    def attack_status(self) -> str:
        """The last attack status that a person reported, by the API's name; empty if there
        is none.
        """
        return next(
            (word for word, number in ATTACK_STATUSES.items() if number == self.efficacy), ""
        )

    @property
    def efficacy_state(self) -> Efficacy | None:
        """None if no person reported an attack status, or if its outcome is unknown."""
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
