"""Payloads with records that the portal could not read, of all detectors.

Operators read them and have them read again: they see first that a detector is not understood, and
reading again does nothing that its next alert would not do. The settings of a detector stay with
admins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db.models import QuerySet
from django.urls import reverse

from portal.alerts import queries
from portal.alerts.models import AlertPayload
from portal.core.formatting import plural
from portal.organizations.models import Role
from portal.web.frame import Frame
from portal.web.rendering import FramedPage
from portal.wording import alerts as wording

MAX_REJECTED_SHOWN: Final = 20
MAX_REASONS_SHOWN: Final = 5
"""of one payload"""
MAX_CHARACTERS_SHOWN: Final = 2_000
"""of one payload"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRow:
    """A payload with records that the portal could not read."""

    endpoint: str
    "the name of the detector"
    received_at: datetime
    reasons: Sequence[str]
    more: int
    "further reasons"
    text: str
    "its beginning"
    replay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedPage(FramedPage):
    """The newest payloads of all detectors that the portal could not read."""

    template: ClassVar = "alerts/rejected.html"

    headline: str
    rejected: Sequence[RejectedRow]
    rejected_count: int
    settings: str
    "where detectors are set up; empty if this person may not"


def rejected_page(start: Frame) -> RejectedPage:
    rejected = queries.rejected(start.organization)
    count = rejected.count()
    return RejectedPage(
        frame=start,
        here="alerts",
        title="Rejected payloads",
        headline=f"{plural(count, 'payload')} could not be read." if count else "All was read.",
        rejected=newest_rejected(start, rejected),
        rejected_count=count,
        settings=reverse("alerts:endpoints", args=[start.organization.slug])
        if start.membership.allows(Role.ADMIN)
        else "",
    )


def newest_rejected(start: Frame, among: QuerySet[AlertPayload]) -> Sequence[RejectedRow]:
    newest = among.defer(None).order_by("-received_at", "-pk")[:MAX_REJECTED_SHOWN]
    return [_row(start, one) for one in newest]


def _row(start: Frame, payload: AlertPayload) -> RejectedRow:
    shown = payload.rejections[:MAX_REASONS_SHOWN]
    text = bytes(payload.body)[: 4 * MAX_CHARACTERS_SHOWN].decode(errors="replace")
    return RejectedRow(
        endpoint=payload.endpoint.name,
        received_at=payload.received_at,
        reasons=[f"Record {one.index + 1}: {wording.rejection(one)}" for one in shown],
        more=len(payload.rejections) - len(shown),
        text=text[:MAX_CHARACTERS_SHOWN],
        replay=reverse("alerts:replay", args=[start.organization.slug, payload.pk]),
    )
