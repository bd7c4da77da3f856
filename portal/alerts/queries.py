"""An organization's endpoints, alerts and rejected payloads; NotFound for those of others."""

from __future__ import annotations

from functools import cache
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet

from portal.alerts.models import (
    AlertEndpoint,
    AlertPayload,
    AlertProposal,
    Incident,
    ProposalState,
    ReceivedAlert,
)
from portal.core.compiled_query import CompiledQuery, any_of
from portal.core.errors import NotFound
from portal.core.joined_rows import rows_of
from portal.mitigations.models import MitigationRequest
from portal.organizations.models import Organization

MAX_REPORTING: Final = 20
"""Alerts whose rates one chart reads."""


def endpoints(organization: Organization) -> QuerySet[AlertEndpoint]:
    return AlertEndpoint.objects.filter(organization=organization).select_related("poll")


def endpoint_for(organization: Organization, endpoint_id: UUID) -> AlertEndpoint:
    found = endpoints(organization).filter(pk=endpoint_id).first()
    if found is None:
        raise NotFound
    return found


def enabled_endpoint(endpoint_id: UUID) -> AlertEndpoint | None:
    """None also if its organization is not active."""
    if connection.vendor != "postgresql":
        return _enabled(Q(pk=endpoint_id)).first()
    for row in _enabled_query().rows(endpoints=[endpoint_id]):
        [endpoint] = rows_of(row, AlertEndpoint)
        assert isinstance(endpoint, AlertEndpoint)
        return endpoint
    return None


@cache
def _enabled_query() -> CompiledQuery:
    """Compiled once, because detectors call by the thousand."""
    return CompiledQuery(_enabled(Q(any_of(AlertEndpoint, "id", "endpoints"))))


def _enabled(which: Q) -> QuerySet[AlertEndpoint]:
    return AlertEndpoint.objects.filter(which, is_enabled=True, organization__is_active=True)


def alerts(organization: Organization) -> QuerySet[ReceivedAlert]:
    return ReceivedAlert.objects.filter(organization=organization).select_related("endpoint")


def alerts_of(request: MitigationRequest) -> QuerySet[ReceivedAlert]:
    """Those of the incidents whose targets a request protects, or some of them."""
    own = ReceivedAlert.objects.filter(organization=request.organization_id)
    return own.filter(incident__request=request.pk).select_related("endpoint")


def reporting(request: MitigationRequest) -> list[ReceivedAlert]:
    """What detectors reported of attacks on the targets of a request: those that last first, then
    the largest. At most MAX_REPORTING.
    """
    order = (
        F("ended_at").desc(nulls_first=True),
        F("bps").desc(nulls_last=True),
        F("pps").desc(nulls_last=True),
        "first_at",
    )
    # An incident may also have targets that another request protects.
    return [
        one
        for one in alerts_of(request).order_by(*order)[:MAX_REPORTING]
        if request.scope.shares_with(one.targets)
    ]


def rejected(organization: Organization) -> QuerySet[AlertPayload]:
    """Payloads of which a record was rejected, without their bytes."""
    own = AlertPayload.objects.filter(organization=organization, is_waiting=False)
    return own.select_related("endpoint").defer("body")


def rejected_for(organization: Organization, payload_id: UUID) -> AlertPayload:
    found = rejected(organization).filter(pk=payload_id).first()
    if found is None:
        raise NotFound
    return found


def incidents(organization: Organization) -> QuerySet[Incident]:
    return Incident.objects.filter(organization=organization).select_related("request")


def proposals(organization: Organization) -> QuerySet[AlertProposal]:
    own = AlertProposal.objects.filter(organization=organization)
    return own.select_related("incident", "request", "decided_by", "endpoint")


def open_proposals(organization: Organization) -> QuerySet[AlertProposal]:
    """Oldest first."""
    return proposals(organization).filter(state=ProposalState.OPEN).order_by("made_at", "pk")


def proposal_for(organization: Organization, proposal_id: UUID) -> AlertProposal:
    found = proposals(organization).filter(pk=proposal_id).first()
    if found is None:
        raise NotFound
    return found
