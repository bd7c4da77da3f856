"""Tenants, their members, and their protected resources."""

from __future__ import annotations

from portal.organizations.models.acting import (
    ActingEnd,
    StaffActing,
)
from portal.organizations.models.idempotency_key import (
    MAX_KEY_LENGTH,
    IdempotencyKey,
    ResultKind,
)
from portal.organizations.models.integration import (
    MAX_INTEGRATION_NAME_LENGTH,
    Integration,
)
from portal.organizations.models.mailed_invitation import MailedInvitation
from portal.organizations.models.membership import (
    FactorReset,
    Invitation,
    Membership,
    Role,
)
from portal.organizations.models.organization import (
    MAX_APPROVAL_WAIT_S,
    MAX_LIFETIME_S,
    MAX_LIVE_REQUESTS,
    MAX_PATIENCE_S,
    MIN_APPROVAL_WAIT_S,
    MIN_LIFETIME_S,
    MIN_PATIENCE_S,
    Approval,
    LateAcceptance,
    Organization,
)
from portal.organizations.models.resource import (
    ProtectedResource,
    ResourceKind,
)
from portal.organizations.models.service_token import (
    ServiceToken,
)

__all__ = [
    "MAX_APPROVAL_WAIT_S",
    "MAX_INTEGRATION_NAME_LENGTH",
    "MAX_KEY_LENGTH",
    "MAX_LIFETIME_S",
    "MAX_LIVE_REQUESTS",
    "MAX_PATIENCE_S",
    "MIN_APPROVAL_WAIT_S",
    "MIN_LIFETIME_S",
    "MIN_PATIENCE_S",
    "ActingEnd",
    "Approval",
    "FactorReset",
    "IdempotencyKey",
    "Integration",
    "Invitation",
    "LateAcceptance",
    "MailedInvitation",
    "Membership",
    "Organization",
    "ProtectedResource",
    "ResourceKind",
    "ResultKind",
    "Role",
    "ServiceToken",
    "StaffActing",
]
