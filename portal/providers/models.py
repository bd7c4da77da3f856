"""Mitigation providers, and each organization's right to use them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q

from portal.core.json_value import JSONValueField, sparse
from portal.core.targets import IPNetwork
from portal.organizations.models import Organization

MAX_PORT = 65535
MIN_LIFETIME_S = 30
MAX_LIFETIME_S = 2**32 - 1
"""The range of `lifetime` (RFC 9132 section 4.4.1.1)."""
MAX_PREFIX_V4 = 32
MAX_PREFIX_V6 = 128
MAX_AS_NUMBER = 2**32 - 2
"""0 and the largest number are reserved (RFC 7607, RFC 7300)."""
DEFAULT_SIGNAL_PORT = 4646


class Transport(models.TextChoices):
    """How the portal may reach a provider."""

    DTLS = "dtls"
    TLS = "tls"


def default_transports() -> tuple[Transport, ...]:
    """Both, raced: on a network that blocks UDP the request still gets out (RFC 9132
    section 4.3).
    """
    return (Transport.DTLS, Transport.TLS)


class PathKind(models.TextChoices):
    """What answers at a provider's address."""

    DIRECT = "direct", "The provider itself"
    GATEWAY = "gateway", "A gateway: sessions end there, it has one of its own to the provider"
    RELAY = "relay", "A relay: it passes packets on, sessions end at the provider"


class Provider(models.Model):
    """A mitigation provider: its server, its authority and its limits."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    short_name = models.CharField(max_length=40)
    phone = models.CharField(max_length=40)
    """The number of its operations desk, for when the network fails."""
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=DEFAULT_SIGNAL_PORT)
    server_name = models.CharField(max_length=253)
    """The name its certificate must carry."""
    transports = JSONValueField(tuple[Transport, ...], default=default_transports)
    requires_alpn = models.BooleanField(default=True)
    """Over TCP: insist that its server selects "coap" (RFC 8323 section 8.2).

    Some select nothing.
    """
    trust_anchors = models.TextField()
    """PEM."""
    max_lifetime_s = models.PositiveBigIntegerField(null=True, blank=True)
    """Null: unknown."""
    max_targets = models.PositiveIntegerField(null=True, blank=True)
    """Null: unknown."""
    may_be_indefinite = models.BooleanField(default=True)
    max_port_ranges = models.PositiveSmallIntegerField(null=True, blank=True)
    """Null: unknown; 0: it protects all ports or none."""
    longest_prefix_v4 = models.PositiveSmallIntegerField(null=True, blank=True)
    """24: it accepts nothing smaller than a /24. Null: unknown."""
    longest_prefix_v6 = models.PositiveSmallIntegerField(null=True, blank=True)
    takes_names = models.BooleanField(default=True)
    """Whether names and URIs may be targets, or only addresses."""
    as_number = models.PositiveBigIntegerField(
        "AS number",
        null=True,
        blank=True,
        help_text=(
            "The AS that announces customers’ prefixes during an attack. Empty: unknown, or it "
            "announces none. Readiness then says nothing about its routes."
        ),
    )
    """The origin of the routes with which it attracts traffic. Null: unknown, or it announces
    none."""
    path_kind = models.CharField(max_length=8, choices=PathKind.choices, default=PathKind.DIRECT)
    path_name = models.CharField(max_length=40, blank=True)
    """What people call the gateway or relay; empty for the provider itself."""
    changed_at = models.DateTimeField(null=True, auto_now=True)
    """When staff last saved it. Requests that did not reach the provider before may
    reach it now.
    """

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(longest_prefix_v4__lte=MAX_PREFIX_V4)
                & Q(longest_prefix_v6__lte=MAX_PREFIX_V6),
                name="provider_prefixes_in_range",
            ),
            models.CheckConstraint(
                condition=Q(path_kind=PathKind.DIRECT, path_name="")
                | (Q(path_kind__in=[PathKind.GATEWAY, PathKind.RELAY]) & ~Q(path_name="")),
                name="provider_path_has_a_name",
            ),
            models.CheckConstraint(
                condition=Q(port__gte=1, port__lte=MAX_PORT), name="provider_port_in_range"
            ),
            models.CheckConstraint(
                condition=Q(max_lifetime_s__gte=MIN_LIFETIME_S, max_lifetime_s__lte=MAX_LIFETIME_S),
                name="provider_lifetime_in_range",
            ),
            models.CheckConstraint(condition=Q(max_targets__gte=1), name="provider_takes_a_target"),
            models.CheckConstraint(
                condition=Q(as_number__range=(1, MAX_AS_NUMBER)),
                name="provider_as_number_in_range",
                violation_error_message=f"AS numbers are 1 to {MAX_AS_NUMBER}.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def hops(self) -> tuple[str, ...]:
        """The hops of a request after the portal, the provider last."""
        return (self.path_name, self.short_name) if self.path_name else (self.short_name,)

    @property
    def session_ends_at(self) -> str:
        """The peer of a session: a gateway ends it, a relay does not."""
        return self.path_name if self.path_kind == PathKind.GATEWAY else self.short_name


class SessionState(models.TextChoices):
    """What the signal worker last knew about the session."""

    UP = "up"
    CONNECTING = "connecting"
    DOWN = "down"


class SessionFault(models.TextChoices):
    """Why there is no session, if the portal itself is the reason."""

    NO_WORKER = "no_worker"
    """No signal worker has the lease."""
    CRASHED = "crashed"
    """The portal failed; its log says how."""
    KEY_UNREADABLE = "key_unreadable"
    """The worker lacks the key that the private key was encrypted with."""


@sparse()
@dataclass(frozen=True, slots=True, kw_only=True)
class PendingChange:
    """Settings saved since the current session was opened and not used by a session yet."""

    changed: tuple[str, ...]
    """What: `address`, `server_name`, `transports`, `trust_anchors`, `certificate`, `cuid`."""
    tried_at: datetime | None
    """When the portal last tried a session with them; None: not yet."""
    failure: str
    """Why the last attempt failed, in the words of the client library or the network."""
    fault: SessionFault | None = None
    """Set if the portal itself is the reason."""


class Subscription(models.Model):
    """An organization's right to use a provider: one client identity, one session."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, related_name="subscriptions"
    )
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="subscriptions")
    priority = models.PositiveSmallIntegerField(default=1)
    """1 is asked first."""
    enabled = models.BooleanField(default=True)
    limited_to = JSONValueField(tuple[IPNetwork, ...], default=tuple, blank=True)
    """Prefixes in normal form that only this provider assigned or may protect; empty: everything
    the organization may.
    """
    cuid = models.CharField(max_length=64)
    certificate_chain = models.TextField(blank=True)
    """PEM, the client's own certificate first; empty: disconnected, and kept for its history."""
    private_key = models.BinaryField()
    """PEM, encrypted (portal.core.secrets)."""
    next_mid = models.PositiveBigIntegerField(default=1)
    """The next number never used with this cuid."""
    changed_at = models.DateTimeField(null=True, editable=False)
    """When staff last saved it."""

    session_state = models.CharField(
        max_length=12, choices=SessionState.choices, default=SessionState.DOWN
    )
    session_transport = models.CharField(max_length=8, blank=True)
    session_since = models.DateTimeField(null=True, blank=True)
    last_heard_at = models.DateTimeField(null=True, blank=True)
    session_detail = models.CharField(max_length=300, blank=True)
    """The server's address while it is up; otherwise why it is not, in the client
    library's words.
    """
    session_fault = models.CharField(
        max_length=16,
        choices=SessionFault.choices,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    """Why there is no session, if the portal itself is the reason; otherwise empty."""
    session_refusal = models.CharField(max_length=4, blank=True, default="", editable=False)
    """The code with which the server refuses our heartbeats on the current session, such as 4.01;
    otherwise empty.
    """
    redirection_ignored = models.CharField(
        max_length=16, blank=True, default="", db_default="", editable=False
    )
    """Why the portal ignored a redirection on the current session, a key of wording.IGNORED;
    otherwise empty.
    """
    pending_change = JSONValueField(PendingChange, null=True, blank=True, editable=False)
    """Not null while the current session uses other settings than these."""
    dtls_worked_at = models.DateTimeField(null=True, blank=True, editable=False)
    """When a session over UDP was last known to work; while there is one, when it was opened."""
    tls_worked_at = models.DateTimeField(null=True, blank=True, editable=False)
    """The same over TCP."""

    owner = models.CharField(max_length=100, blank=True, default="")
    """The signal worker that holds the session."""
    lease_until = models.DateTimeField(null=True, blank=True)
    """Its claim ends then unless renewed."""

    class Meta:
        ordering: ClassVar = ["priority", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "provider"], name="one_subscription_per_provider"
            ),
            models.UniqueConstraint(
                fields=["organization", "priority"], name="one_subscription_per_priority"
            ),
            # A provider distinguishes its clients by cuid: two of ours may never share one.
            models.UniqueConstraint(fields=["provider", "cuid"], name="one_client_per_cuid"),
            models.CheckConstraint(
                condition=Q(session_state__in=SessionState.values), name="session_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(enabled=False) | ~Q(certificate_chain=""),
                name="disconnected_is_not_asked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization} at {self.provider}"

    @property
    def is_disconnected(self) -> bool:
        """Whether its key was forgotten."""
        return not self.certificate_chain


class ClientKey(models.Model):
    """A key that an organization will use with a provider, beside the one in use if there is one.

    The portal made it and waits for its certificate; or it came with its certificate, which is
    tried before it replaces the one in use.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="client_keys"
    )
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="client_keys")
    private_key = models.BinaryField()
    """PEM, encrypted (portal.core.secrets)."""
    signing_request = models.TextField(blank=True, default="")
    """The CSR in PEM, for the provider to sign; empty: the key came with its certificate."""
    certificate_chain = models.TextField(blank=True, default="")
    """PEM, the client's own certificate first; empty: not signed yet."""
    made_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["organization", "provider"], name="one_client_key_per_provider"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} at {self.provider_id}"

    @property
    def is_signed(self) -> bool:
        return bool(self.certificate_chain)
