"""Audit entries in people's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from portal.accounts.actors import Actor, ActorKind
from portal.accounts.wording import who_first
from portal.audit.models import AuditEntry
from portal.audit.verbs import Verb
from portal.audit.verification import Fault
from portal.events.models import EventType
from portal.wording.organization_changes import SETTINGS

DONE: Final[dict[str, str]] = {
    EventType.REQUEST_SUBMITTED: "Requested mitigation",
    EventType.REQUEST_TERMINATE_REQUESTED: "Terminated a request",
    EventType.REQUEST_EXTENDED: "Extended a request",
    EventType.REQUEST_ACKNOWLEDGED: "Acknowledged the end of a request",
    EventType.REQUEST_APPROVED: "Approved a request",
    EventType.REQUEST_DECLINED: "Declined a request",
    EventType.REQUEST_BREAK_GLASS: "Sent a request without approval",
    EventType.REQUEST_NOTE: "Wrote a note on a request",
    EventType.REQUEST_TAKEN_OVER: "Took over a request",
    EventType.MITIGATION_ASKED: "Asked a provider",
    EventType.MITIGATION_WITHDRAW_REQUESTED: "Withdrew a request from a provider",
    EventType.MITIGATION_EFFICACY: "Reported on the attack",
    EventType.DRILL_STARTED: "Started a drill",
    EventType.UNKNOWN_WITHDRAW_REQUESTED: "Withdrew an unknown mitigation",
    EventType.UNKNOWN_ADOPTED: "Adopted an unknown mitigation",
    EventType.PROPOSAL_CONFIRMED: "Confirmed a proposal",
    EventType.PROPOSAL_DISMISSED: "Dismissed a proposal",
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
    EventType.SUBSCRIPTION_CHANGED: "Changed the settings for a provider",
    EventType.SUBSCRIPTION_CERTIFICATE_REPLACED: "Replaced a client certificate",
    EventType.SUBSCRIPTION_KEY_MADE: "Made a client key",
    EventType.SUBSCRIPTION_KEY_DISCARDED: "Discarded a client key",
    EventType.SUBSCRIPTION_CERTIFICATE_ADDED: "Added a client certificate, to try it first",
    EventType.SUBSCRIPTION_REMOVED: "Disconnected a provider",
    EventType.ORGANIZATION_CHANGED: "Changed settings",
    EventType.ORGANIZATION_SUSPENDED: "Suspended the organization",
    EventType.ORGANIZATION_RESUMED: "Lifted the suspension",
    EventType.STAFF_ACTING_BEGAN: "Began to act for the organization",
    EventType.STAFF_ACTING_ENDED: "Stopped acting for the organization",
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
    Verb.PASSWORD_LINK_SENT: "Mailed a link to choose a new password",
    Verb.EMAIL_CHANGE_ASKED: "Asked to change their email address",
    Verb.EMAIL_CHANGED: "Changed their email address",
    Verb.FACTOR_RENAMED: "Renamed a second factor",
    Verb.FACTOR_REMOVED: "Removed a second factor",
    Verb.PROFILE_CHANGED: "Changed their profile",
    Verb.NOTICES_CHOSEN: "Chose their notices",
    Verb.SESSION_ENDED: "Ended one of their sessions",
    Verb.PERSON_DEACTIVATED: "Deactivated a person",
    Verb.PERSON_ADDED: "Added a person",
    Verb.TOKEN_ISSUED: "Made a token",
    Verb.TOKEN_FIRST_USED: "Used a token for the first time",
    Verb.TOKEN_ENDED: "Ended a token",
    Verb.SSO_CHANGED: "Changed single sign-on",
    Verb.SSO_REMOVED: "Removed single sign-on",
    Verb.SSO_DOMAIN_PROVED: "Proved an email domain",
    Verb.SSO_DOMAIN_UNPROVED: "Ended the proof of an email domain",
    Verb.SSO_LINKED: "Linked an account to the identity provider",
    Verb.SERVICE_TOKEN_ISSUED: "Made a service token",
    Verb.SERVICE_TOKEN_FIRST_USED: "Used a service token for the first time",
    Verb.SERVICE_TOKEN_ENDED: "Ended a service token",
    Verb.ACCESS_REFUSED: "Access refused",
    Verb.RESOURCE_CHECK_ASKED: "Asked for a check of a resource",
    Verb.CONNECTION_TEST_ASKED: "Tested a connection",
    Verb.PLAN_CHANGED: "Changed a standby plan",
    Verb.PLAN_REMOVED: "Removed a standby plan",
    Verb.PROVIDER_ADDED: "Added a provider to the portal’s list",
    Verb.PROVIDER_CHANGED: "Changed a provider in the portal’s list",
    Verb.ALERT_ENDPOINT_ADDED: "Added an alert endpoint",
    Verb.ALERT_ENDPOINT_CHANGED: "Changed an alert endpoint",
    Verb.ALERT_ENDPOINT_ROTATED: "Gave an alert endpoint a new secret",
    Verb.ALERT_ENDPOINT_PREVIOUS_ENDED: "Ended the former secret of an alert endpoint",
    Verb.ALERT_ENDPOINT_REMOVED: "Removed an alert endpoint",
    Verb.ALERT_ENDPOINT_TESTED: "Sent a test through an alert endpoint",
    Verb.ALERT_PAYLOAD_REPLAYED: "Mapped a rejected payload of an alert endpoint again",
    Verb.PUSH_DEVICE_ADDED: "Added a browser or phone for notices",
    Verb.PUSH_DEVICE_REMOVED: "Removed a browser or phone for notices",
    Verb.NOTICE_CHANNEL_ADDED: "Added a channel of notices",
    Verb.NOTICE_CHANNEL_CHANGED: "Changed a channel of notices",
    Verb.NOTICE_CHANNEL_ROTATED: "Gave a channel of notices a new secret",
    Verb.NOTICE_CHANNEL_PREVIOUS_ENDED: "Ended the former secret of a channel of notices",
    Verb.NOTICE_CHANNEL_REMOVED: "Removed a channel of notices",
    Verb.NOTICE_CHANNEL_TESTED: "Sent a test through a channel of notices",
    Verb.STAFF_ADDED: "Added a row as staff",
    Verb.STAFF_CHANGED: "Changed a row as staff",
    Verb.STAFF_DELETED: "Deleted a row as staff",
    Verb.STAFF_INVITED: "Invited a person to the staff",
    Verb.STAFF_INVITATION_REVOKED: "Revoked an invitation to the staff",
    Verb.STAFF_JOINED: "Joined the staff by an invitation",
    Verb.STAFF_ROLE_CHANGED: "Changed a role in the staff",
    Verb.STAFF_ENDED: "Ended the access of a colleague",
    Verb.STAFF_FACTOR_RESET_STARTED: "Asked to reset a colleague’s second factor",
    Verb.STAFF_FACTOR_RESET_CANCELED: "Canceled the reset of a colleague’s second factor",
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
    "alerts": ("Alert endpoints and proposals", ("alert_endpoint.", "proposal.")),
    "channels": ("Channels of notices", ("notice_channel.",)),
    "settings": ("Settings", ("organization.", "single_sign_on.")),
    "refusals": (
        "Refusals",
        ("access.", Verb.SIGN_IN_REFUSED.value, Verb.SIGN_IN_SLOWED.value),
    ),
    "staff": ("The portal's staff", ("staff.", "secrets.", "provider.")),
    "audit": ("The audit itself", ("audit.",)),
}
"""Filters: value → its words and verbs."""
OTHERS: Final = {
    ActorKind.POLICY: "The organization's policy",
    ActorKind.PORTAL: "The portal",
}
FACTORS: Final = {
    "authenticator": "code from an app",
    "federatedfactor": "single sign-on",
    "recoverykit": "recovery code",
    "webauthncredential": "passkey",
}
IN_OTHER_COLUMNS: Final = frozenset(
    {
        "drill",
        "kind",
        "mentioned",
        "name",
        "note",
        "incident",
        "proposal",
        "provider",
        "request",
        "resource",
        "subscription",
        "unknown_mitigation",
        "user",
    }
)
LABELS: Final = {
    **SETTINGS,
    "attack_status": "attack",
    "device": "browser or program",
    "email": "address",
    "entries": "removed entries",
    "filter": "filters",
    "is_renewed": "with a new link",
    "is_staff": "portal staff",
    "lifetime": "lifetime in seconds",
    "mail_to": "mail to",
    "of": "person",
    "preset": "policy to begin with",
    "rotated": "encrypted again",
    "slug": "address",
    "step": "refused",
    "text": "note",
    "through_seq": "up to entry",
    "why": "because",
}
"""What fields are called, if not by their own name."""
CODES: Final = {
    ("attack_status", "attack-successfully-mitigated"): "mitigated",
    ("attack_status", "under-attack"): "still under attack",
    ("device", "known"): "used before",
    ("device", "new"): "not used before",
    ("lifetime", "-1"): "until terminated",
    ("step", "code"): "the code",
    ("step", "enrolment"): "the first code",
    ("step", "password"): "the name or password",
    ("why", "expired"): "it expired",
    ("why", "right"): "the person may no longer act for organizations",
    ("why", "signed-out"): "it was signed out",
    ("why", "single-sign-on-ended"): "single sign-on, by which it was made, ended or was not used",
    ("why", "signed_out"): "the person signed out",
    ("why", "stopped"): "the person stopped",
    ("why", "time"): "the time was over",
    ("why", "too-many"): "the person has too many",
}
"""What values of these fields mean."""
MAX_DETAILS: Final = 6


def done(entry: AuditEntry) -> str:
    if entry.verb == EventType.REQUEST_SUBMITTED and (entry.after or {}).get("kind") == "standby":
        return "Asked providers to hold a standby plan"
    # An entry of a later release.
    return DONE.get(entry.verb, entry.verb)


def actor(entry: AuditEntry) -> str:
    is_named = entry.actor_kind == ActorKind.STAFF
    staff = " (portal staff)" if entry.is_by_staff and not is_named else ""
    if entry.actor_kind == ActorKind.SERVICE_TOKEN:
        return who_first(Actor.service_token(entry.actor_id, entry.actor_name))
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
        words = LABELS.get(name, name.replace("_", " "))
        if name in before and name in after:
            yield f"{words}: {_value(name, before[name])} → {_value(name, after[name])}"
        elif name in before:
            yield f"{words} was {_value(name, before[name])}"
        elif name not in IN_OTHER_COLUMNS:
            yield f"{words}: {_value(name, after[name])}"


def _value(name: str, value: Any) -> str:
    shown = _shown(value)
    return CODES.get((name, shown), shown)


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
