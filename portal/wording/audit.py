"""Audit entries in people's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from portal.accounts.actors import ActorKind
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.audit.verification import Fault
from portal.events.models import EventType

DONE: Final[dict[str, str]] = {
    EventType.REQUEST_SUBMITTED: "Requested mitigation",
    EventType.REQUEST_TERMINATE_REQUESTED: "Terminated a request",
    EventType.REQUEST_EXTENDED: "Extended a request",
    EventType.REQUEST_ACKNOWLEDGED: "Acknowledged the end of a request",
    EventType.MITIGATION_ASKED: "Asked a provider",
    EventType.MITIGATION_WITHDRAW_REQUESTED: "Withdrew a request from a provider",
    EventType.MITIGATION_EFFICACY: "Reported on the attack",
    EventType.DRILL_STARTED: "Started a drill",
    EventType.UNKNOWN_WITHDRAW_REQUESTED: "Withdrew an unknown mitigation",
    EventType.UNKNOWN_ADOPTED: "Adopted an unknown mitigation",
    EventType.MEMBER_ADDED: "Added a member",
    EventType.MEMBER_ROLE_CHANGED: "Changed a role",
    EventType.MEMBER_INVITED: "Invited a person",
    EventType.MEMBER_INVITATION_REVOKED: "Revoked an invitation",
    EventType.MEMBER_JOINED: "Joined by an invitation",
    EventType.MEMBER_FACTOR_RESET_STARTED: "Asked to reset a second factor",
    EventType.MEMBER_FACTOR_RESET_CANCELED: "Canceled the reset of a second factor",
    EventType.MEMBER_REMOVED: "Removed a member",
    EventType.MEMBER_SECOND_FACTOR_RESET: "Reset a second factor",
    EventType.RESOURCE_ADDED: "Added a resource",
    EventType.RESOURCE_VERIFIED: "Verified a resource",
    EventType.RESOURCE_RENAMED: "Renamed a resource",
    EventType.RESOURCE_REMOVED: "Removed a resource",
    EventType.RESOURCE_WAITING: "Asked portal staff to verify a resource",
    EventType.RESOURCE_REFUSED: "Refused to verify a resource",
    EventType.RESOURCE_UNVERIFIED: "Ended the verification of a resource",
    EventType.SUBSCRIPTION_ADDED: "Connected a provider",
    EventType.SUBSCRIPTION_CHANGED: "Changed how a provider is asked",
    EventType.SUBSCRIPTION_CERTIFICATE_REPLACED: "Replaced a client certificate",
    EventType.ORGANIZATION_CHANGED: "Changed settings",
    Verb.ORGANIZATION_ADDED: "Added an organization",
    Verb.SIGNED_IN: "Signed in",
    Verb.SIGN_IN_REFUSED: "Sign-in refused",
    Verb.SIGN_IN_SLOWED: "Sign-in refused: too many tries",
    Verb.STEPPED_UP: "Gave the second factor again",
    Verb.SIGNED_OUT: "Signed out",
    Verb.FACTOR_ENROLLED: "Set up a second factor",
    Verb.FACTOR_RESET: "Reset a second factor",
    Verb.RECOVERY_CODES_RENEWED: "Made new recovery codes",
    Verb.PASSWORD_CHANGED: "Changed a password",
    Verb.PERSON_DEACTIVATED: "Deactivated a person",
    Verb.PERSON_ADDED: "Added a person",
    Verb.TOKEN_ISSUED: "Made a token",
    Verb.TOKEN_FIRST_USED: "Used a token for the first time",
    Verb.TOKEN_ENDED: "Ended a token",
    Verb.ACCESS_REFUSED: "Access refused",
    Verb.RESOURCE_CHECK_ASKED: "Asked for a check of a resource",
    Verb.PLAN_CHANGED: "Changed a standby plan",
    Verb.PLAN_REMOVED: "Removed a standby plan",
    Verb.STAFF_ADDED: "Added a row as staff",
    Verb.STAFF_CHANGED: "Changed a row as staff",
    Verb.STAFF_DELETED: "Deleted a row as staff",
    Verb.SECRETS_ROTATED: "Encrypted all secrets with the newest key",
    Verb.EXPORTED: "Exported the audit",
    Verb.MAIL_CHANGED: "Changed who gets the head of the audit",
    Verb.CUT: "Removed old entries of the audit",
}
"""What was done, by verb."""
FAMILIES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "requests": ("Requests", ("request.", "mitigation.", "unknown_mitigation.", "drill.")),
    "plans": ("Standby plans", ("plan.",)),
    "people": ("Members and roles", ("member.",)),
    "sign-in": ("Sign-in and accounts", ("person.",)),
    "tokens": ("API tokens", ("token.",)),
    "resources": ("Resources", ("resource.",)),
    "providers": ("Providers", ("subscription.",)),
    "settings": ("Settings", ("organization.",)),
    "refusals": (
        "Refusals",
        ("access.", Verb.SIGN_IN_REFUSED.value, Verb.SIGN_IN_SLOWED.value),
    ),
    "staff": ("The portal's staff", ("staff.", "secrets.")),
    "audit": ("The audit itself", ("audit.",)),
}
"""Filters: value → its words and verbs."""
OTHERS: Final = {
    ActorKind.POLICY: "The organization's policy",
    ActorKind.PORTAL: "The portal",
}
FACTORS: Final = {"authenticator": "code from an app", "recoverykit": "recovery code"}
IN_OTHER_COLUMNS: Final = frozenset(
    {
        "drill",
        "kind",
        "name",
        "provider",
        "request",
        "resource",
        "subscription",
        "unknown_mitigation",
        "user",
    }
)
MAX_DETAILS: Final = 6


def done(entry: AuditEntry) -> str:
    if entry.verb == EventType.REQUEST_SUBMITTED and (entry.after or {}).get("kind") == "standby":
        return "Asked providers to hold a standby plan"
    # An entry of a later release.
    return DONE.get(entry.verb, entry.verb)


def actor(entry: AuditEntry) -> str:
    staff = " (portal staff)" if entry.is_by_staff else ""
    if entry.actor_name:
        return f"{entry.actor_name}{staff}"
    if entry.is_by_staff:
        return "Portal staff"
    return OTHERS.get(entry.actor_kind, "Unknown")  # type: ignore[call-overload, no-any-return]


def details(entry: AuditEntry) -> list[str]:
    """The changed values, one per line."""
    found = list(_values(entry.before or {}, entry.after or {}))
    if len(found) > MAX_DETAILS:
        found = [*found[:MAX_DETAILS], f"and {len(found) - MAX_DETAILS} more, in the export"]
    return [f"Reason: {entry.reason}", *found] if entry.reason else found


def _values(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        words = name.replace("_", " ")
        if name in before and name in after:
            yield f"{words}: {_shown(before[name])} → {_shown(after[name])}"
        elif name in before:
            yield f"{words} was {_shown(before[name])}"
        elif name not in IN_OTHER_COLUMNS:
            yield f"{words}: {_shown(after[name])}"


def _shown(value: Any) -> str:
    match value:
        case None | "" | [] | {}:
            return "–"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_shown, value))
        case dict():
            return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return str(value)


FAULTS: Final = {
    Fault.CHANGED: "was changed",
    Fault.DELETED: "was deleted",
    Fault.SWAPPED: "was exchanged with another one",
    Fault.UNSEALED: "was not sealed in time",
    Fault.REWRITTEN: "belongs to a chain that was rewritten",
}


def problem(found: Mapping[str, Any]) -> str:
    """A sentence about a ChainProblem of a verification, as JSON."""
    which = f"Entry {found['seq']}" if found.get("seq") else "An entry"
    return f"{which} {FAULTS[Fault(found['fault'])]}."


def came_from(entry: AuditEntry) -> str:
    """The address, and the factor or token."""
    kind, _, name = entry.factor.partition(":")
    factor = FACTORS.get(kind, name)
    token = entry.token.partition(":")[2]
    parts = [entry.address, f"token “{token}”" if token else factor]
    return ", ".join(part for part in parts if part)
