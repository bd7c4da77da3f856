"""The states of one provider's mitigation and of a request, and every allowed transition.

Triggers say what happened, never which status follows. The numbers are DOTS statuses (RFC 9132
Table 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final

from django.db import models

from portal.core.errors import Conflict


class Status(models.TextChoices):
    """The status of one provider's mitigation, in the portal's terms; the API uses the same
    values.
    """

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    MITIGATING = "mitigating"
    ATTACK_STOPPED = "attack_stopped"
    EXCEEDED = "exceeded"
    STANDBY = "standby"
    WITHDRAWN = "withdrawn"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    REFUSED = "refused"
    EXPIRED = "expired"


class Trigger(Enum):
    """What happened to a mitigation."""

    ACCEPTED = "the provider confirmed the request"
    HELD = "the provider confirmed a request to be held in standby"
    SETTING_UP = "the provider reports 1"
    FILTERING = "the provider reports 2"
    ATTACK_ENDED = "the provider reports 3"
    CAPACITY_EXCEEDED = "the provider reports 4"
    WINDING_DOWN = "the provider reports 5"
    ENDED = "the provider reports 6"
    PROVIDER_WITHDREW = "the provider reports 7"
    ARMED = "the provider reports 8"
    PROVIDER_REFUSED = "the provider refused for good"
    NOT_SENDABLE = "the portal cannot encode the request"
    FORGOTTEN = "the provider does not know the mitigation"
    WITHDRAWAL_ASKED = "a person or the policy wants it ended"
    UNWANTED = "the provider holds one that the portal no longer wants"
    DROPPED_UNSENT = "it was ended before anything left the portal"
    LIFETIME_OVER = "the granted lifetime ran out"
    RENEWAL_MISSED = "the granted lifetime ran out, and it is asked for again"
    RETRY_DUE = "no provider helps, and the portal asks it again"


class RequestStatus(models.TextChoices):
    """The status of a request, derived from its mitigations."""

    AWAITING_APPROVAL = "awaiting_approval"
    REQUESTING = "requesting"
    IN_PROGRESS = "in_progress"
    MITIGATING = "mitigating"
    ATTACK_STOPPED = "attack_stopped"
    STANDBY = "standby"
    FAILING = "failing"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    EXPIRED = "expired"
    DECLINED = "declined"


ATTACK_STATUSES: Final = {"under-attack": 1, "attack-successfully-mitigated": 2}
"""attack-status values of RFC 9132 Table 4, by the API's names."""


class Efficacy(models.TextChoices):
    """The outcome of the last attack status that a person reported."""

    WAITING = "waiting"
    PUT_OFF = "put_off"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NOT_SENDABLE = "not_sendable"


class IllegalTransition(Conflict):
    """The transition table does not contain this step."""

    code = "illegal-transition"

    def __init__(self, *, status: str, trigger: str) -> None:
        super().__init__(f"{trigger} cannot happen to a mitigation that is {status}.")


BY_DOTS_STATUS: Final[Mapping[int, Trigger]] = {
    1: Trigger.SETTING_UP,
    2: Trigger.FILTERING,
    3: Trigger.ATTACK_ENDED,
    4: Trigger.CAPACITY_EXCEEDED,
    5: Trigger.WINDING_DOWN,
    6: Trigger.ENDED,
    7: Trigger.PROVIDER_WITHDREW,
    8: Trigger.ARMED,
}
"""What a provider reports (RFC 9132 Table 3)."""

CONFIRMED: Final = (
    Status.IN_PROGRESS,
    Status.MITIGATING,
    Status.ATTACK_STOPPED,
    Status.EXCEEDED,
    Status.STANDBY,
)
"""The provider holds it, by its last report."""

ACTIVE: Final = tuple(status for status in CONFIRMED if status != Status.STANDBY)
"""The provider acts, or did until the attack stopped."""

WINDING_DOWN: Final = 5
IN_STANDBY: Final = 8
"""DOTS statuses of RFC 9132 Table 3: active but terminating, and held until the session is lost."""

SET_BACK: Final = (Status.REFUSED, Status.WITHDRAWN)
"""The provider refused; it is retried if no other provider helps."""

LOOP: Final = "5.08"
"""The code for a loop, which is not a refusal: gateways passed the request round in a loop (RFC
8768).
"""
UNAUTHORIZED_CODES: Final = frozenset({"4.01", "4.03"})
"""Codes of a server that completed the handshake but does not know this client."""
NOT_SENDABLE: Final = "not-sendable"
"""The portal's own code beside those of providers: the request cannot be encoded, so nothing was
sent.
"""

KNOWN_REPORTS: Final = range(1, 9)
"""Status numbers the portal knows (RFC 9132 Table 3); a provider may report others, 0-255."""

HEARTBEAT_INTERVAL: Final = timedelta(seconds=30)
STALE_AFTER: Final = 3 * HEARTBEAT_INTERVAL
"""How long a report counts as current: three heartbeats after the provider was last heard. An older
report is no reason to withdraw another provider or to adopt a mitigation.
"""
STILL_TRYING_WITHIN: Final = timedelta(minutes=15)
"""A retry later than this is shown as waiting, not as retrying. It is longer than every backoff of
the portal.
"""

TERMINAL: Final = (Status.TERMINATED, Status.EXPIRED)
LIVE: Final = tuple(status for status in Status if status not in TERMINAL)

_REPORTS: Final = {
    Trigger.SETTING_UP: Status.IN_PROGRESS,
    Trigger.FILTERING: Status.MITIGATING,
    Trigger.ATTACK_ENDED: Status.ATTACK_STOPPED,
    Trigger.CAPACITY_EXCEEDED: Status.EXCEEDED,
    Trigger.ARMED: Status.STANDBY,
    Trigger.PROVIDER_WITHDREW: Status.WITHDRAWN,
}

_REFUSALS: Final = (Trigger.PROVIDER_REFUSED, Trigger.NOT_SENDABLE)
_LOSSES: Final = (Trigger.FORGOTTEN, Trigger.RENEWAL_MISSED)

TRANSITIONS: Final[Mapping[tuple[Status, Trigger], Status]] = {
    # The report of the provider wins, whatever the status was.
    **{
        (status, trigger): reported
        for status in (Status.PENDING, *CONFIRMED, *SET_BACK)
        for trigger, reported in _REPORTS.items()
    },
    **{(status, Trigger.ACCEPTED): Status.IN_PROGRESS for status in (Status.PENDING, *SET_BACK)},
    **{(status, Trigger.HELD): Status.STANDBY for status in (Status.PENDING, *SET_BACK)},
    **{(status, Trigger.RETRY_DUE): Status.PENDING for status in SET_BACK},
    # A confirmed refresh changes only the lifetime.
    **{
        (status, trigger): status
        for status in CONFIRMED
        for trigger in (Trigger.ACCEPTED, Trigger.HELD)
    },
    **{(Status.PENDING, trigger): Status.REFUSED for trigger in _REFUSALS},
    # A refresh that is refused or cannot be sent does not end a running mitigation.
    **{(status, trigger): status for status in (*CONFIRMED, *SET_BACK) for trigger in _REFUSALS},
    # 5 without a withdrawal by the portal: another client with the same identity withdrew it.
    **{
        (status, Trigger.WINDING_DOWN): Status.TERMINATING
        for status in (Status.PENDING, *CONFIRMED, Status.WITHDRAWN)
    },
    # 6 without a withdrawal by the portal: the provider stopped on its own.
    **{
        (status, Trigger.ENDED): Status.WITHDRAWN
        for status in (Status.PENDING, *CONFIRMED, Status.WITHDRAWN)
    },
    # The provider lost it (a restart), or it could not be renewed in time: request it again under
    # the same mid.
    **{
        (status, trigger): Status.PENDING
        for status in (Status.PENDING, *CONFIRMED)
        for trigger in _LOSSES
    },
    **{(status, trigger): status for status in SET_BACK for trigger in _LOSSES},
    # A provider that refused holds nothing to end.
    (Status.REFUSED, Trigger.WINDING_DOWN): Status.REFUSED,
    (Status.REFUSED, Trigger.ENDED): Status.REFUSED,
    (Status.REFUSED, Trigger.WITHDRAWAL_ASKED): Status.REFUSED,
    # Replaced or refused, as far as the portal knew, but the provider acts on it: end it.
    **{
        (status, Trigger.UNWANTED): Status.TERMINATING
        for status in (Status.PENDING, *CONFIRMED, *SET_BACK)
    },
    (Status.PENDING, Trigger.DROPPED_UNSENT): Status.TERMINATED,
    **{
        (status, Trigger.WITHDRAWAL_ASKED): Status.TERMINATING
        for status in (Status.PENDING, *CONFIRMED, Status.WITHDRAWN, Status.TERMINATING)
    },
    **{
        (status, Trigger.LIFETIME_OVER): Status.EXPIRED
        for status in (Status.PENDING, *CONFIRMED, Status.WITHDRAWN)
    },
    # While it ends, late reports change nothing.
    **{(Status.TERMINATING, trigger): Status.TERMINATING for trigger in _REPORTS},
    (Status.TERMINATING, Trigger.ACCEPTED): Status.TERMINATING,
    (Status.TERMINATING, Trigger.HELD): Status.TERMINATING,
    **{(Status.TERMINATING, trigger): Status.TERMINATING for trigger in _REFUSALS},
    (Status.TERMINATING, Trigger.WINDING_DOWN): Status.TERMINATING,
    (Status.TERMINATING, Trigger.ENDED): Status.TERMINATED,
    **{(Status.TERMINATING, trigger): Status.TERMINATED for trigger in _LOSSES},
    # The provider did not confirm the end in time, and the lifetime has run out: report that.
    (Status.TERMINATING, Trigger.LIFETIME_OVER): Status.EXPIRED,
}


def next_status(status: Status, trigger: Trigger) -> Status:
    """The status after `trigger`; raises IllegalTransition if the table does not contain the
    step.
    """
    try:
        return TRANSITIONS[status, trigger]
    except KeyError:
        raise IllegalTransition(status=status, trigger=trigger.name) from None


def reported_status(dots_status: int | None) -> Status | None:
    """The portal's status for a provider's report; None if there is none or it is unknown."""
    trigger = BY_DOTS_STATUS.get(dots_status or 0)
    if trigger is None or trigger == Trigger.ENDED:
        return None
    return next_status(Status.PENDING, trigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class MitigationState:
    """One mitigation, as far as a request's status depends on it."""

    status: Status
    is_overdue: bool = False
    "no provider confirmed it in the time the organization allows, or it was refused before"
    is_given_up: bool = False
    "the portal no longer wants it"
    is_held_again: bool = False
    "a plan's provider that is being withdrawn and will be asked to hold the plan again"


def request_status(
    mitigations: Iterable[MitigationState], *, is_termination_asked: bool
) -> RequestStatus:
    """A request's status from its mitigations: the best one that a provider confirmed."""
    mitigations = tuple(mitigations)
    statuses = {mitigation.status for mitigation in mitigations}
    if is_termination_asked or all(mitigation.is_given_up for mitigation in mitigations):
        is_over = statuses <= {*TERMINAL, *SET_BACK}
        return RequestStatus.TERMINATED if is_over else RequestStatus.TERMINATING
    # A withdrawn mitigation says nothing about the help of the others, but the request is not over
    # before it ended.
    is_winding_down = Status.TERMINATING in statuses
    mitigations = tuple(mitigation for mitigation in mitigations if not mitigation.is_given_up)
    statuses = {mitigation.status for mitigation in mitigations}
    if statuses & {Status.MITIGATING, Status.EXCEEDED}:
        return RequestStatus.MITIGATING
    if Status.IN_PROGRESS in statuses:
        return RequestStatus.IN_PROGRESS
    if Status.ATTACK_STOPPED in statuses:
        return RequestStatus.ATTACK_STOPPED
    if any(mitigation.is_held_again for mitigation in mitigations):
        # A provider that filtered must confirm its withdrawal, whatever the others hold.
        return RequestStatus.TERMINATING
    if Status.STANDBY in statuses:
        return RequestStatus.STANDBY
    if any(
        mitigation.status == Status.PENDING and not mitigation.is_overdue
        for mitigation in mitigations
    ):
        return RequestStatus.REQUESTING
    if Status.TERMINATING in statuses:
        return RequestStatus.TERMINATING
    if statuses & {Status.PENDING, *SET_BACK}:
        return RequestStatus.FAILING
    if is_winding_down:
        return RequestStatus.TERMINATING
    return RequestStatus.EXPIRED if Status.EXPIRED in statuses else RequestStatus.TERMINATED


REQUEST_TERMINAL: Final = (
    RequestStatus.TERMINATED,
    RequestStatus.EXPIRED,
    RequestStatus.DECLINED,
)
