"""Sentences about changes of an organization: its members, resources, providers and settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from portal.core.formatting import listed
from portal.core.targets import shown
from portal.events.data import EventData
from portal.events.models import EventType
from portal.ownership.states import ProofResult
from portal.wording.claims import METHODS, RESULTS

ROLES: Final = {
    "viewer": "a viewer",
    "operator": "an operator",
    "approver": "an approver",
    "admin": "an admin",
}
ACTING_ENDS: Final = {
    "stopped": "The person stopped.",
    "time": "The time was over.",
    "signed_out": "The person signed out.",
    "right": "The person may no longer act for organizations.",
}
SETTINGS: Final = {
    "name": "name",
    "slug": "address",
    "is_active": "whether members can sign in to it",
    "patience_s": "patience",
    "default_lifetime_s": "default lifetime",
    "max_lifetime_s": "longest lifetime",
    "may_be_indefinite": "whether requests may run until terminated",
    "late_acceptance": "what happens to a late acceptance",
    "max_live_requests": "limit on live requests",
    "max_live_requests_per_person": "limit on live requests per person",
    "shortest_prefix_v4": "largest IPv4 prefix",
    "shortest_prefix_v6": "largest IPv6 prefix",
    "approval": "which requests need approval",
    "approval_prefix_v4": "IPv4 prefixes that need approval",
    "approval_prefix_v6": "IPv6 prefixes that need approval",
    "approval_wait_s": "how long a request waits for approval",
    "names_in_notices": "whether titles of notices name targets",
    "priority": "priority",
    "enabled": "whether it is asked",
    "limited_to": "prefixes",
    "accept_within_s": "how soon it accepts",
    "filter_within_s": "how soon it filters",
    "stop_within_s": "how soon it stops",
    "availability": "availability of the session",
}
"""The labels of the columns of organizations and subscriptions."""


@dataclass(frozen=True, slots=True)
class Change:
    what: str
    detail: str = ""


def change_of(type: EventType, data: EventData, *, who: str, provider: str = "") -> Change | None:
    """A change that `who` made, as a sentence; None for events of other kinds."""
    words = _CHANGES.get(type)
    return words(who, provider, data) if words else None


def _resource(data: EventData) -> str:
    return f"{shown(data['name'])} ({shown(data['value'])})"


def _changed(data: EventData) -> str:
    names = [SETTINGS[name] for name in data["changed"]]
    return f"Changed: {listed(names)}. {_reason(data)}".rstrip()


def _reason(data: EventData) -> str:
    """Of staff; empty if there is none."""
    return f"Reason: {shown(data['reason'])}" if "reason" in data else ""


_CHANGES: Final[dict[EventType, Callable[[str, str, EventData], Change]]] = {
    EventType.MEMBER_ADDED: lambda who, _, data: Change(
        f"{who} added {data['user']} as {ROLES[data['role']]}."
    ),
    EventType.MEMBER_ROLE_CHANGED: lambda who, _, data: Change(
        f"{who} made {data['user']} {ROLES[data['role']]}.",
        f"Before: {ROLES[data['previous']]}.",
    ),
    EventType.MEMBER_INVITED: lambda who, _, data: Change(
        f"{who} invited {data['email']} as {ROLES[data['role']]}"
        f"{' again' if data.get('is_renewed') else ''}."
    ),
    EventType.MEMBER_INVITATION_REVOKED: lambda who, _, data: Change(
        f"{who} revoked the invitation of {data['email']}."
    ),
    EventType.MEMBER_JOINED: lambda who, _, data: Change(
        f"{who} joined as {ROLES[data['role']]}, by an invitation to {data['email']}."
    ),
    EventType.MEMBER_FACTOR_RESET_STARTED: lambda who, _, data: Change(
        f"{who} asked to reset the second factor of {data['user']}.",
        f"Another admin has to confirm. The reason: “{shown(data['reason'])}”.",
    ),
    EventType.MEMBER_FACTOR_RESET_CANCELED: lambda who, _, data: Change(
        f"{who} canceled the reset of the second factor of {data['user']}."
    ),
    EventType.MEMBER_REMOVED: lambda who, _, data: Change(
        f"{who} removed {data['user']}.", _reason(data)
    ),
    EventType.MEMBER_SECOND_FACTOR_RESET: lambda who, _, data: Change(
        f"{who} reset the second factor of {data['user']}."
    ),
    EventType.RESOURCE_ADDED: lambda who, _, data: Change(
        f"{who} added the resource {_resource(data)}."
    ),
    EventType.RESOURCE_VERIFIED: lambda who, _, data: Change(
        f"{who} verified the resource {_resource(data)}."
    ),
    EventType.RESOURCE_RENAMED: lambda who, _, data: Change(
        f"{who} renamed the resource {shown(data['former_name'])} to {_resource(data)}."
    ),
    EventType.RESOURCE_REMOVED: lambda who, _, data: Change(
        f"{who} removed the resource {_resource(data)}."
    ),
    EventType.RESOURCE_CHECKED: lambda who, _, data: Change(
        f"{who} looked for the proof of {_resource(data)}: {METHODS[data['method']]}.",
        RESULTS[ProofResult(data["result"])],
    ),
    EventType.RESOURCE_WAITING: lambda who, _, data: Change(
        f"{who} asked portal staff to verify the resource {_resource(data)}."
    ),
    EventType.RESOURCE_REFUSED: lambda who, _, data: Change(
        f"{who} refused to verify the resource {_resource(data)}.",
        f"Reason: {shown(data['reason'])}",
    ),
    EventType.RESOURCE_PROOF_MISSING: lambda who, _, data: Change(
        f"{who} did not find the proof of {_resource(data)} any more.",
        "It stays verified for three weeks, and as long as a live request needs it.",
    ),
    EventType.RESOURCE_UNVERIFIED: lambda who, _, data: Change(
        f"{who} no longer counts {_resource(data)} as verified: its proof has been missing for "
        "three weeks."
    ),
    EventType.SUBSCRIPTION_ADDED: lambda who, provider, _: Change(
        f"{who} added the provider {provider}."
    ),
    EventType.SUBSCRIPTION_CHANGED: lambda who, provider, data: Change(
        f"{who} changed the settings for {provider}.", _changed(data)
    ),
    EventType.SUBSCRIPTION_CERTIFICATE_REPLACED: lambda who, provider, _: Change(
        f"{who} replaced the client certificate for {provider}."
    ),
    EventType.SUBSCRIPTION_KEY_MADE: lambda who, provider, _: Change(
        f"{who} made a client key for {provider}."
    ),
    EventType.SUBSCRIPTION_KEY_DISCARDED: lambda who, provider, _: Change(
        f"{who} discarded a client key for {provider}."
    ),
    EventType.SUBSCRIPTION_CERTIFICATE_ADDED: lambda who, provider, _: Change(
        f"{who} added a new client certificate for {provider}.",
        "It is tried before it replaces the one in use.",
    ),
    EventType.SUBSCRIPTION_REMOVED: lambda who, provider, _: Change(
        f"{who} disconnected the provider {provider}."
    ),
    EventType.ORGANIZATION_CHANGED: lambda who, _, data: Change(
        f"{who} changed the organization’s settings.", _changed(data)
    ),
    EventType.ORGANIZATION_SUSPENDED: lambda who, _, data: Change(
        f"{who} suspended the organization.", f"Reason: {shown(data['reason'])}"
    ),
    EventType.ORGANIZATION_RESUMED: lambda who, _, __: Change(
        f"{who} lifted the suspension of the organization."
    ),
    EventType.STAFF_ACTING_BEGAN: lambda who, _, __: Change(f"Began: {who}."),
    EventType.STAFF_ACTING_ENDED: lambda who, _, data: Change(
        f"Ended: {who}.", ACTING_ENDS[data["why"]]
    ),
}
