"""Endpoints that detectors send to, what came, and what it says."""

from __future__ import annotations

import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.alerts.alert import (
    MAX_EVENT_ID_LENGTH,
    MAX_LINK_LENGTH,
    MAX_TEXT_LENGTH,
    MAX_VECTOR_LENGTH,
    AlertState,
    AttackDirection,
    Rejection,
)
from portal.alerts.endpoint_policy import Automatic, AutomaticMode, EndpointPolicy
from portal.alerts.endpoint_settings import HostTarget
from portal.alerts.mapping import AlertSource
from portal.alerts.polling import PollCursor, PollProblem
from portal.alerts.rates import ReportedRate
from portal.core.json_value import JSONValueField
from portal.core.targets import PortRange, Targets
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Integration, Organization, ProtectedResource

MAX_HEADER_LENGTH: Final = 60
MAX_POLL_URL_LENGTH: Final = 300
MAX_KEY_ID_LENGTH: Final = 128
MAX_POLL_DETAIL_LENGTH: Final = 200
SOURCES: Final = [(one.value, one.name) for one in AlertSource]


AUTOMATIC: Final = [(one.value, one.name) for one in Automatic]
POLL_PROBLEMS: Final = [(one.value, one.name) for one in PollProblem]
AUTOMATIC_MODES: Final = [(one.value, one.name) for one in AutomaticMode]


class AlertEndpoint(Integration):
    """Where one detector of an organization sends its alerts, with its own secrets."""

    word: ClassVar = "endpoint"
    object_kind: ClassVar = "alert_endpoint"

    source = models.CharField(max_length=24, choices=SOURCES)
    default_resource = models.ForeignKey(
        ProtectedResource, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    """The target of alerts that name none."""
    hosts = JSONValueField(tuple[HostTarget, ...], default=tuple)
    """The resources behind names of web servers."""
    notices = JSONValueField(tuple[str, ...], default=tuple)
    """The Zeek notices that count; empty: all."""
    signature_header = models.CharField(max_length=MAX_HEADER_LENGTH, blank=True, default="")
    """The header with an HMAC of the body; empty: the secret itself comes with each call."""
    timestamp_header = models.CharField(max_length=MAX_HEADER_LENGTH, blank=True, default="")
    """The header whose seconds since 1970 the HMAC covers too; empty: none."""
    digest = models.CharField(max_length=64)
    """SHA-256 of the secret, in hexadecimal; empty: the portal polls, and no one may call."""
    secret = models.BinaryField(null=True)
    """The secret, encrypted: only an HMAC needs it."""
    previous_digest = models.CharField(max_length=64, blank=True, default="")
    previous_secret = models.BinaryField(null=True)
    policy = JSONValueField(EndpointPolicy, default=EndpointPolicy)
    """What the portal may do automatically because of it."""
    last_used_at = models.DateTimeField(null=True)
    unreadable = models.PositiveBigIntegerField(default=0)
    """Calls whose payload could not be read at all."""
    unreadable_code = models.CharField(max_length=24, blank=True, default="")
    """A RejectionCode: why the last of them could not."""
    over_limit = models.PositiveBigIntegerField(default=0)
    """Records that were counted and not saved, because too many came."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "name"], name="alert_endpoint_once"),
        ]

    @property
    def polled(self) -> AlertPoll | None:
        """How the portal asks its detector; None: the detector calls."""
        try:
            return self.poll
        except AlertPoll.DoesNotExist:
            return None


class AlertPoll(models.Model):
    """How the portal asks an endpoint's detector, up to where it has read, and how that went."""

    endpoint = models.OneToOneField(
        AlertEndpoint, on_delete=models.CASCADE, primary_key=True, related_name="poll"
    )
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    url = models.CharField(max_length=MAX_POLL_URL_LENGTH, blank=True, default="")
    key_id = models.CharField(max_length=MAX_KEY_ID_LENGTH, blank=True, default="")
    secret = models.BinaryField()
    """Encrypted: the token, or the secret half of the key."""
    cursor = JSONValueField(PollCursor, default=PollCursor)
    due_at = models.DateTimeField(db_index=True)
    claim = models.UUIDField(null=True)
    """The poll that runs: only it may save what it found."""
    claimed_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """Polls since the last one that succeeded."""
    last_poll_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=24, blank=True, default="", choices=POLL_PROBLEMS)
    """Why the last poll failed; empty: it did not."""
    detail = models.CharField(max_length=MAX_POLL_DETAIL_LENGTH, blank=True, default="")

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.problem or 'works'}"


class AlertPayload(models.Model):
    """The bytes of one call: until they are mapped, or while a record of them is rejected."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    endpoint = models.ForeignKey(AlertEndpoint, on_delete=models.CASCADE, related_name="payloads")
    received_at = models.DateTimeField()
    body = models.BinaryField()
    is_test = models.BooleanField(default=False)
    """The portal's own sample, not a detector's."""
    is_waiting = models.BooleanField(default=True)
    rejections = JSONValueField(tuple[Rejection, ...], default=tuple)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["endpoint", "received_at"],
                condition=Q(is_waiting=True),
                name="alert_payload_waiting",
            ),
            models.Index(fields=["organization", "-received_at"], name="alert_payload_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.received_at}"


class AlertVerdict(models.TextChoices):
    """Whether an alert is about something that the organization may request protection for."""

    OURS = "ours"
    NOT_OURS = "not_ours"
    NO_TARGET = "no_target"
    OUTGOING = "outgoing"


class IncidentState(models.TextChoices):
    """How far an incident is, as detectors report it."""

    ONGOING = "ongoing"
    ENDING = "ending"
    "all detectors reported the end, a short time ago: it may begin again"
    ENDED = "ended"
    QUIET = "quiet"
    "no detector has repeated it for long, and none reported an end"


OPEN_STATES: Final = (IncidentState.ONGOING, IncidentState.ENDING)


class Incident(models.Model):
    """An attack on an organization's own targets, as all its detectors together tell it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(
        max_length=8, choices=IncidentState.choices, default=IncidentState.ONGOING
    )
    began_at = models.DateTimeField()
    """When the first alert of it arrived."""
    last_at = models.DateTimeField()
    """When a detector last reported it, to within 10 s."""
    ended_at = models.DateTimeField(null=True)
    """When the last detector reported the end; null: one has not."""
    closes_at = models.DateTimeField(null=True)
    """While it is ENDING: until when an alert begins it again."""
    targets = JSONValueField(Targets)
    protocols = JSONValueField(tuple[int, ...], default=tuple)
    ports = JSONValueField(tuple[PortRange, ...], default=tuple)
    vector = models.CharField(max_length=MAX_VECTOR_LENGTH, blank=True)
    severity = models.PositiveSmallIntegerField(null=True)
    """The highest that a detector reported; the amounts too."""
    bps = models.PositiveBigIntegerField(null=True)
    pps = models.PositiveBigIntegerField(null=True)
    request = models.ForeignKey(
        MitigationRequest, on_delete=models.SET_NULL, null=True, related_name="incidents"
    )
    """The request that protects its targets, or some of them."""

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organization", "-began_at", "-id"], name="incident_newest"),
            models.Index(
                fields=["organization"],
                condition=Q(state__in=[one.value for one in OPEN_STATES]),
                name="incident_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{', '.join(self.targets.texts[:3])}: {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


class ProposedAct(models.TextChoices):
    """What a proposal asks people to do."""

    MITIGATE = "mitigate"
    TERMINATE = "terminate"


class ProposalState(models.TextChoices):
    """What became of a proposal."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    EXPIRED = "expired"
    NOT_NEEDED = "not_needed"
    "a request protects the targets, the attack ended, or the request to terminate has ended"


class AlertProposal(models.Model):
    """What the portal proposes because of an incident. Nothing is sent before a person confirms."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="proposals")
    act = models.CharField(max_length=9, choices=ProposedAct.choices)
    state = models.CharField(
        max_length=10, choices=ProposalState.choices, default=ProposalState.OPEN
    )
    targets = JSONValueField(Targets)
    endpoint = models.ForeignKey(
        AlertEndpoint, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    """By whose policy `automatic` was decided."""
    automatic = models.CharField(max_length=8, blank=True, default="", choices=AUTOMATIC)
    """Empty: the portal may do nothing automatically."""
    refusal = models.CharField(max_length=MAX_TEXT_LENGTH, blank=True, default="")
    """Why it could not be sent automatically, if `automatic` says so."""
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    """Null: it stays as long as its request is live."""
    decided_at = models.DateTimeField(null=True)
    """When it stopped being open, with or without a decision."""
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(max_length=MAX_TEXT_LENGTH, blank=True, default="")
    """Why a person dismissed it."""
    request = models.ForeignKey(
        MitigationRequest, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    """The request that came of it, or that it is about."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["incident", "act"], condition=Q(state="open"), name="one_open_proposal"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["organization", "-made_at", "-id"], name="proposal_newest"),
            models.Index(fields=["organization"], condition=Q(state="open"), name="proposal_open"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {', '.join(self.targets.texts[:3])}: {self.state}"


class ReceivedAlert(models.Model):
    """One incident as one detector tells it: all alerts with the same event id, from the first
    until the end.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="+")
    endpoint = models.ForeignKey(AlertEndpoint, on_delete=models.CASCADE, related_name="alerts")
    incident = models.ForeignKey(
        Incident, on_delete=models.SET_NULL, null=True, related_name="alerts"
    )
    """Null if it is not about the organization's own targets, or is a test."""
    is_test = models.BooleanField(default=False)
    event_id = models.CharField(max_length=MAX_EVENT_ID_LENGTH)
    verdict = models.CharField(max_length=12, choices=AlertVerdict.choices)
    first_at = models.DateTimeField()
    """When its first alert arrived."""
    last_at = models.DateTimeField()
    has_begun = models.BooleanField()
    """False if only its end arrived."""
    ended_at = models.DateTimeField(null=True)
    """When the detector saw the end; null: it has not reported one."""
    count = models.PositiveIntegerField(default=1)
    """Alerts of this incident, repeats included."""
    seen = JSONValueField(tuple[str, ...], default=tuple)
    """Digests of its last different alerts: a repeat changes nothing."""
    state = models.CharField(max_length=8, choices=[(one.value, one.name) for one in AlertState])
    """Of its newest alert; the columns below too."""
    targets = JSONValueField(Targets, default=Targets)
    attacker = models.CharField(max_length=200, blank=True)
    direction = models.CharField(
        max_length=8, choices=[(one.value, one.name) for one in AttackDirection]
    )
    protocols = JSONValueField(tuple[int, ...], default=tuple)
    ports = JSONValueField(tuple[PortRange, ...], default=tuple)
    vector = models.CharField(max_length=MAX_VECTOR_LENGTH, blank=True)
    severity = models.PositiveSmallIntegerField(null=True)
    bps = models.PositiveBigIntegerField(null=True)
    pps = models.PositiveBigIntegerField(null=True)
    rates = JSONValueField(tuple[ReportedRate, ...], default=tuple)
    """What its alerts said until the end, at most `MAX_RATES`: a chart shows them."""
    started_at = models.DateTimeField(null=True)
    link = models.CharField(max_length=MAX_LINK_LENGTH, blank=True)
    text = models.CharField(max_length=MAX_TEXT_LENGTH, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["organization", "-last_at", "-id"], name="alert_newest"),
            models.Index(fields=["endpoint", "event_id"], name="alert_incident"),
            models.Index(fields=["last_at"], name="alert_to_prune"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id}: {self.verdict}"
