"""Requests of people, what the portal wants of each provider, and what it observed."""

from __future__ import annotations

from portal.mitigations.causes import FAILOVER_CAUSES, Cause, WithdrawnCause
from portal.mitigations.models.approval import ApprovalOutcome, RequestApproval
from portal.mitigations.models.columns import (
    BY_ITSELF,
    EndedBy,
    FilteringEnd,
    FilteringEndedBy,
    Newer,
    ProviderConflict,
    ReplacedBy,
    RequestKind,
    Strategy,
)
from portal.mitigations.models.mitigation import (
    MAX_COUNTER,
    REPORTS_MISSING_AFTER,
    Mitigation,
    Wanted,
)
from portal.mitigations.models.request import MitigationRequest

__all__ = [
    "BY_ITSELF",
    "FAILOVER_CAUSES",
    "MAX_COUNTER",
    "REPORTS_MISSING_AFTER",
    "ApprovalOutcome",
    "Cause",
    "EndedBy",
    "FilteringEnd",
    "FilteringEndedBy",
    "Mitigation",
    "MitigationRequest",
    "Newer",
    "ProviderConflict",
    "ReplacedBy",
    "RequestApproval",
    "RequestKind",
    "Strategy",
    "Wanted",
    "WithdrawnCause",
]
