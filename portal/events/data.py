"""What the data of an event holds: the keys of every kind of event, and what each means.

It stays JSON, since REST and sockets send it as it was written. The log keeps what earlier releases
wrote, so a reader must expect any key to be missing.
"""

from __future__ import annotations

from typing import Any, TypedDict

Changed = TypedDict("Changed", {"from": Any, "to": Any})
"""The values of one setting, as JSON."""


class Counters(TypedDict, total=False):
    """The amounts that a provider reported; those it did not report are missing."""

    bytes_dropped: int
    pkts_dropped: int
    bps_dropped: int
    "BYTES per second"
    pps_dropped: int


class EventData(Counters, total=False):
    """Times are ISO 8601, ids are text."""

    # who acted
    actor: str
    actor_kind: str
    acting_reason: str
    "why staff act for the organization"
    by: str | list[str]
    '"staff" in place of an actor; of a mitigation: the requests that replaced it'

    # a request or a mitigation
    status: str
    previous: str
    "the status before; of a member: the role before"
    why: str
    "a code, where the status alone does not say what happened"
    name: str
    "of a request or a resource"
    kind: str
    "of a request or a resource"
    adopted: bool
    lifetime: int
    "in seconds; -1: without end"
    ended_by: str
    waits: bool
    "no provider helps, and the portal waits for something else than a time"
    next_try_at: str
    newer: str
    "the request that filters all of this one"
    newer_name: str
    cause: str
    "why policy withdrew a provider"
    subscriptions: list[str]
    "those whose providers filter instead"
    because: str
    "the clause that earlier releases wrote in place of the cause"
    hold_again: bool
    code: str
    reason: str
    conflict: Any
    "JSON of a ProviderConflict: its cause and mid"
    is_conflict: bool
    "written by earlier releases, whose reason says what the conflict is"
    is_less: bool
    "the replacement protects less"
    mid: int
    refused_mid: int
    unknown: int | None
    "a status number that the portal does not know"
    mitigation_start: str
    told: bool
    "the provider confirmed the withdrawal"
    tries: int
    retry_at: str
    held_until: str
    "until when the counters of the event before were reported again"

    # a report to a provider on how the attack looks
    attack_status: str
    answered: bool
    accepted: bool | None

    # a note on a request
    note: str
    "its id"
    text: str
    mentioned: list[str]
    "the members that it names"

    # drills, incidents, unknown mitigations and sessions
    drill: str
    incident: str
    proposal: str
    passed: bool
    unknown_mitigation: str
    dots_status: int | None
    request: str
    "the one that adopted it"
    subscription: str
    state: str
    detail: str
    fault: str

    # changes of the organization itself
    user: str
    role: str
    email: str
    "of an invitation"
    is_renewed: bool
    "the invitation got a new link, and the earlier one stopped working"
    provider: str
    "its short name"
    resource: str
    value: str
    former_name: str
    method: str
    "how a resource was checked: dns, http, staff"
    result: str
    "what the check found, a ProofResult"
    changed: dict[str, Changed]
