"""The names of choices in the document of the API."""

from __future__ import annotations

from typing import Final

ENUM_NAMES: Final = {
    "ApprovalRule": "portal.organizations.models.Approval",
    "ApprovalOutcome": "portal.mitigations.models.ApprovalOutcome",
    "CauseEnum": "portal.mitigations.causes.Cause",
    "AlertSource": "portal.alerts.models.SOURCES",
    "PollProblem": "portal.alerts.models.POLL_PROBLEMS",
    "AutomaticMode": "portal.alerts.models.AUTOMATIC_MODES",
    "Automatic": "portal.alerts.models.AUTOMATIC",
    "ChannelOffBecause": "portal.notifications.channels.models.OffBecause",
    "GivenMinSeverity": "portal.notifications.channels.models.MIN_SEVERITY_VALUES",
    "MinSeverity": "portal.notifications.channels.models.MIN_SEVERITIES",
    "NoticeSeverity": "portal.notifications.channels.models.SEVERITIES",
    "NoticeOutcome": "portal.notifications.channels.models.OUTCOMES",
    "IncidentState": "portal.alerts.models.IncidentState",
    "ProposalState": "portal.alerts.models.ProposalState",
    "ProposedAct": "portal.alerts.models.ProposedAct",
    "CheckCode": "portal.readiness.rows.CheckCode",
    "CheckGroup": "portal.readiness.rows.Group",
    "CheckState": "portal.readiness.rows.State",
    "EventType": "portal.events.models.EventType",
    "NoticeKind": "portal.notifications.kinds.KIND_CHOICES",
    "MitigationStatus": "portal.mitigations.states.Status",
    "RequestKind": "portal.mitigations.models.RequestKind",
    "RequestStatus": "portal.mitigations.states.RequestStatus",
    "Strategy": "portal.mitigations.models.Strategy",
    "DrillFailure": "portal.standby.models.Failure",
    "DrillWay": "portal.standby.models.DrillMethod",
    "ClaimState": "portal.ownership.states.ClaimState",
    "ProofMethod": "portal.ownership.states.ProofMethod",
    "ProofResult": "portal.ownership.states.ProofResult",
    "RouteValidity": "portal.rpki.validity.RouteValidity",
    "ResourceKind": "portal.organizations.models.ResourceKind",
    "Role": "portal.organizations.models.Role",
    "GivenRole": "portal.organizations.models.Role.values",
    "SessionState": "portal.providers.models.SessionState",
    "StaffRole": "portal.staff.models.StaffRole",
    "GivenStaffRole": "portal.staff.models.StaffRole.values",
}
