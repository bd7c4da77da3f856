"""The choices and the JSON types of this app's columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import models

from portal.core.json_value import sparse
from portal.core.targets import PortRange


class Strategy(models.TextChoices):
    """Which providers are asked: one after the other until one helps, or all in parallel."""

    FAILOVER = "failover"
    PARALLEL = "parallel"


class RequestKind(models.TextChoices):
    """The purpose of a request: immediate help, help held in standby, or a test of that."""

    IMMEDIATE = "immediate"
    STANDBY = "standby"
    DRILL = "drill"


class EndedBy(models.TextChoices):
    """Why a request has ended."""

    PERSON = "person"
    """A person terminated it."""
    SERVICE_TOKEN = "service_token"  # noqa: S105 - no password
    """A program terminated it, with a token of the organization."""
    PORTAL = "portal"
    """The portal withdrew it: a drill ended, a plan had a newer version, or a newer request filters
    all of it.
    """
    LIFETIME = "lifetime"
    """Its lifetime ran out."""
    NEWER_REQUEST = "newer_request"
    """A provider replaced it by a newer request that protects less."""
    WIDER_REQUEST = "wider_request"
    """A provider replaced it by a newer request that protects at least as much."""
    PROVIDER = "provider"
    """A provider ended it, and no one here asked for that."""
    NOT_APPROVED = "not_approved"
    """No one approved it in time, so nothing was sent."""


BY_ITSELF = (EndedBy.LIFETIME, EndedBy.NEWER_REQUEST, EndedBy.PROVIDER, EndedBy.NOT_APPROVED)
"""Ends that no person requested and that a person has to acknowledge."""


@sparse(always=("cause",))
@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConflict:
    """What a provider says that a mitigation conflicts with (RFC 9132 section 4.4.1.3)."""

    cause: int | None = None
    """conflict-cause, a number of RFC 9132, RFC 9066 or RFC 9244; None if there is none"""
    status: str | None = None
    """conflict-status"""
    retry_after: int | None = None
    """seconds"""
    mid: int | None = None
    """the mitigation that it conflicts with"""
    prefixes: tuple[str, ...] = ()
    """each as the provider wrote it"""
    accept_lists: tuple[str, ...] = ()
    reason: str = ""
    """the sentence that an earlier release saved in place of the cause"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """One request that replaced a mitigation, limited to where the two overlap."""

    request: UUID
    name: str
    targets: tuple[str, ...]
    """the overlapping targets that it protects at this provider"""
    ports: tuple[PortRange, ...]
    protocols: tuple[int, ...]
    """the traffic it is limited to; both empty: all traffic the older one protected"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedBy:
    """The requests that replaced a mitigation, as they were at that moment."""

    by: tuple[Newer, ...]
    """empty: the provider named a newer request that the portal does not know"""
    lost: tuple[str, ...]
    """the targets that lost all or part of their protection; empty: none did"""
    loses: tuple[str, ...]
    """the same as the API's text, with the part of each that is still protected"""


class FilteringEndedBy(models.TextChoices):
    """Why a provider no longer filters for a plan it had activated, without a request from here."""

    REARMED = "rearmed"
    """It reports that it holds the plan again."""
    FORGOTTEN = "forgotten"
    """It no longer knows the plan."""
    PROVIDER = "provider"
    """It withdrew or ended it."""
    LIFETIME = "lifetime"
    """The lifetime ran out without a report of the provider."""
    NEWER_REQUEST = "newer_request"
    """It accepted a newer immediate request instead, which protects less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteringEnd:
    """How a provider stopped filtering for a plan that it had activated on its own."""

    at: datetime
    """when the portal learned of it"""
    reported_at: datetime | None
    """when the provider last reported that it acted"""
    by: FilteringEndedBy
    has_filtered: bool
    """False: it was still setting up"""
    conflict: ProviderConflict | None
    """the reason that the provider gave"""
    replaced_by: ReplacedBy | None
    """of `newer_request`: what it protects instead"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewedMessage:
    """The message that one provider would get, as an approver sees it."""

    subscription: UUID
    is_sent_at_once: bool
    """False: only if the providers before it do not help"""
    body: str
    """the encoded body, in hexadecimal"""
    lines: tuple[str, ...]
    """the same for people"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalPreview:
    """All that a request would send, in the order in which the providers are asked."""

    messages: tuple[PreviewedMessage, ...]
    replaces: tuple[UUID, ...]
    """the live requests and unknown mitigations that it would end at a provider"""
    replaced: tuple[str, ...]
    """their names"""

    @property
    def lines(self) -> tuple[str, ...]:
        ends = tuple(f"Ends {name}" for name in self.replaced)
        return tuple(line for one in self.messages for line in one.lines) + ends
