"""Every function that changes accounts, organizations, invitations, resources, their proofs,
providers, plans or tokens also records it: with an audit entry, or with an event that becomes one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django_otp_webauthn.models import WebAuthnCredential

from portal.accounts.models import ApiToken, Authenticator, RecoveryKit, User
from portal.alerts.models import AlertEndpoint
from portal.notifications.channels.models import NoticeChannel, PushDevice
from portal.organizations.models import (
    FactorReset,
    Invitation,
    Membership,
    Organization,
    ProtectedResource,
    ServiceToken,
    StaffActing,
)
from portal.ownership.models import ResourceClaim, ResourceProof
from portal.providers.models import ClientKey, Provider, Subscription
from portal.sso.models import EmailDomain, FederatedIdentity, SingleSignOn
from portal.staff.models import StaffFactorReset, StaffInvitation
from portal.standby.models import StandbyPlan
from tests.parsed import parsed

ROOT: Final = Path(__file__).resolve().parents[3]
AUDITED: Final = (
    User, Authenticator, RecoveryKit, WebAuthnCredential, ApiToken,
    Organization, Membership, Invitation, FactorReset, ServiceToken,
    StaffActing, StaffInvitation, StaffFactorReset,
    ProtectedResource, ResourceClaim, ResourceProof, Provider, Subscription, ClientKey,
    StandbyPlan, SingleSignOn, EmailDomain, FederatedIdentity,
    AlertEndpoint, NoticeChannel, PushDevice,
)  # fmt: skip
WRITES: Final = {
    "acreate", "bulk_create", "bulk_update", "create", "delete", "get_or_create", "save", "update",
    "update_or_create",
}  # fmt: skip
RECORDS: Final = {
    "_cancel", "_record", "_record_change", "_record_resource", "_record_token", "_tell",
    "append_event", "note_added",
    "record_about", "record_change", "record_entry", "record_resource", "record_row",
    "record_entries", "reset_second_factor", "second_factor_reset",
}  # fmt: skip
RECORDED_ELSEWHERE: Final = {
    # what writes without a record → where the record is
    "portal/accounts/services/end_access.py end_access": "its callers record why access ends",
    "portal/accounts/services/enrolment.py new_recovery_codes": "its callers record it",
    "portal/accounts/services/step_up.py step_up": "check_second_factor records it",
    "portal/connections/services/disconnect.py disconnect": "end records it",
    "portal/organizations/services.py _create_resource": "add_resource records it",
    "portal/ownership/services/claims.py advance": "its callers record what changes the state",
    "portal/sso/services/domains.py set_domains": "configure records it",
    "portal/staff/people.py give_role": "its callers record it",
    "portal/standby/services/activate.py activate": "the event of the request that it submits",
    "portal/standby/services/plans.py create_plan": "the event of the request that it submits",
    "portal/standby/services/plans.py _renew": "the event of the request that it submits",
}
NO_ACTS: Final = {
    # what writes without a record → why no one acts
    "portal/alerts/services/receive.py accept": "counts of what a detector sent",
    "portal/alerts/services/save_alerts.py _note_use": "when a detector last reported",
    "portal/notifications/channels/web_push/person.py DevicesOfPerson.answered": (
        "the push service no longer knows the device"
    ),
    "portal/notifications/channels/web_push/devices.py forget_all": (
        "what ended the access is recorded"
    ),
    "portal/notifications/channels/web_push/devices.py forget_browser": (
        "the end of the session is recorded"
    ),
    "portal/ownership/services/checks.py begin_rechecks": "the portal checks each week",
    "portal/ownership/services/claims.py claim_of": "the portal makes the row of a claim",
    "portal/ownership/services/claims.py claims_of": "the portal makes the rows of claims",
    "portal/ownership/services/claims.py make_claim": "add_resource records the resource",
    "portal/signaling/connection_settings.py replace_cuid": "the portal computes another cuid",
    "portal/signaling/leasing/old_leases.py forget_owner": "a lease",
    "portal/signaling/leasing/old_leases.py renew": "a lease",
    "portal/signaling/sessions/orphaned_sessions.py _mark_orphan": "the state of a session",
    "portal/accounts/passwords.py _note_who_chose": "password_changed records it",
    "portal/signaling/store/session_status.py _record": "the state of a session",
    "portal/signaling/store/session_status.py record_heard": "the state of a session",
    "portal/sso/services/domains.py begin_rechecks": "the portal checks each week",
    "portal/sso/services/domains.py make_due_checks": "a check, whose result save_result records",
}


def test_no_service_writes_an_audited_row_without_a_record() -> None:
    unrecorded = {
        f"{path} {name}"
        for path, name, function in functions()
        if writes_audited(function) and not records(function)
    }

    assert unrecorded == RECORDED_ELSEWHERE.keys() | NO_ACTS.keys()


def functions() -> Iterator[tuple[str, str, ast.FunctionDef]]:
    for path in sorted((ROOT / "portal").rglob("*.py")):
        if "migrations" in path.parts or "seed_" in path.name:
            continue
        for node in parsed(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                yield str(path.relative_to(ROOT)), node.name, node
            if isinstance(node, ast.ClassDef):
                for one in node.body:
                    if isinstance(one, ast.FunctionDef):
                        yield str(path.relative_to(ROOT)), f"{node.name}.{one.name}", one


NAMES: Final = {model.__name__ for model in AUDITED}
VARIABLES: Final = {
    "user", "person", "authenticator", "token", "kit", "organization", "membership", "resource",
    "provider", "subscription", "plan", "locked", "oldest", "device",
    "invitation", "reset", "claim", "proof", "endpoint",
    "channel", "integration",
}  # fmt: skip
"""How variables with an audited row are called in the portal."""


def writes_audited(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
        and (root := root_of(node.func.value)) is not None
        and (root in NAMES or (root in VARIABLES and node.func.attr in {"save", "delete"}))
        for node in ast.walk(function)
    )


def root_of(node: ast.expr) -> str | None:
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return None
    return node.id


def records(function: ast.FunctionDef) -> bool:
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = (
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            )
            if name in RECORDS or (name == "send" and "second_factor" in ast.unparse(node)):
                return True
    return False
