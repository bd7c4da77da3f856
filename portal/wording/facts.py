"""The facts that sentences are made from: plain values, no database rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.mitigations.causes import FAILOVER_CAUSES, Cause
from portal.mitigations.models import FilteringEndedBy
from portal.mitigations.states import LOOP, Efficacy, RequestStatus, Status
from portal.wording.approvals import ApprovalFacts


@dataclass(frozen=True, slots=True)
class Badge:
    """A status to see and to hear: its label, its own shape and its colour family."""

    word: str
    shape: str
    family: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The connection to one provider."""

    state: str
    "up, connecting or down"
    since: datetime | None = None
    last_heard_at: datetime | None = None
    detail: str = ""
    "why it is not up, as text"
    gateway: str = ""
    "the gateway whose connection this is; its state says nothing about the provider behind it"
    relay: str = ""
    "the relay that passes it on to the provider unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The attack status that a person last reported to one provider, and its outcome."""

    attack_status: str
    "a value of RFC 9132 Table 4, by the API's name"
    at: datetime
    state: Efficacy
    retry_at: datetime | None = None
    refusal: str = ""
    "the reason as a whole sentence"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOver:
    """Newer requests of the same organization that a provider holds instead of this one."""

    names: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    """the targets of it that they protect; empty if the portal does not know the one that the
    provider holds
    """
    lost: tuple[str, ...] = ()
    "the targets that lost all or part of their protection"
    is_known: bool = True

    @property
    def is_less(self) -> bool:
        return bool(self.lost) or not self.is_known


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteringEndFacts:
    """How a provider stopped filtering for a plan that it had activated, without a request from
    here.
    """

    at: datetime
    by: FilteringEndedBy
    reported_at: datetime | None = None
    "when it last reported that it acted"
    has_filtered: bool = True
    reason: str = ""
    "the provider's reason, as a whole sentence"
    taken_over: TakenOver | None = None
    "what it protects instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class MitigationFacts:
    """One provider's part of a request, as sentences need it."""

    name: str
    short: str
    session: Session
    status: Status | None = None
    "None: not asked"
    phone: str = ""
    is_plan: bool = False
    "it is asked to hold it in standby"
    cause: Cause = Cause.FIRST
    "why it was asked"
    because: str = ""
    "the same, as a clause; empty if the request itself or a person asked"
    sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    sends: int = 0
    overdue_at: datetime | None = None
    confirmed_at: datetime | None = None
    mitigating_at: datetime | None = None
    first_mitigating_at: datetime | None = None
    "the same for everything that this provider was asked in the request"
    mitigation_start: datetime | None = None
    "the start that the provider reports"
    unknown_report: int | None = None
    "the status number it reports now, if the portal does not know it"
    status_at: datetime | None = None
    "when the current status was first reported, if known"
    withdrawal_asked_at: datetime | None = None
    filtering_end: FilteringEndFacts | None = None
    "None if it did not stop on its own, or filters again"
    is_held_again: bool = False
    "it is being withdrawn, and will be asked to hold the plan again"
    withdrawal_confirmed_at: datetime | None = None
    is_still_held: bool = False
    "it confirmed the withdrawal of a plan but still holds it"
    release_tried_at: datetime | None = None
    "when the portal last tried again to end it"
    is_release_given_up: bool = False
    "further attempts did not help"
    ended_at: datetime | None = None
    last_heard_at: datetime | None = None
    taken_over: TakenOver | None = None
    "the requests that replaced it, if any"
    is_replaced: bool = False
    "the provider ended it for a newer request of the same organization"
    retry_at: datetime | None = None
    "the provider asked not to be asked before"
    refusal_code: str = ""
    unsaved_at: datetime | None = None
    "when it gave an answer that the portal could not save"
    refusal: str = ""
    "the reason as a whole sentence"
    bytes_dropped: int | None = None
    "by everything that this provider was asked in the request"
    own_bytes_dropped: int | None = None
    "by this mitigation alone"
    bps_dropped: int | None = None
    "bytes per second"
    pps_dropped: int | None = None
    reference: str = ""
    "the reference for the provider's support desk"
    id: str = ""
    subscription: str = ""
    "the provider's identifier in forms"
    asked_at: datetime | None = None
    asked_by: str = ""
    "the person who asked it manually"
    is_chosen: bool = True
    "the request names this provider"
    why_not: str = ""
    "why it cannot be asked, as a clause; empty if it can"
    left_out: str = ""
    "why failover skips it, as sentences; empty if it is asked in its turn"
    part: tuple[str, ...] = ()
    "the targets it is asked for, if not all of the request"
    must_wait: bool = False
    "the provider named the time before which it must not be asked"
    withdrawn_by: str = ""
    is_withdrawn_by_policy: bool = False
    withdrawn_because: str = ""
    "why policy withdrew it, as a clause"
    reported: Reported | None = None
    "by a person, to this provider"
    may_be_withdrawn: bool = False
    "policy may withdraw it once an earlier one filters"

    @property
    def is_first(self) -> bool:
        """The request asked it from the start: no provider had failed, and no person asked."""
        return self.cause not in FAILOVER_CAUSES and not self.asked_by

    @property
    def heard_at(self) -> datetime | None:
        """When the provider was last heard; a connected gateway says nothing about the provider
        behind it.

        Nor does a loop, which ends at a gateway, whatever the portal knows of the path.
        """
        if self.status == Status.REFUSED and self.refusal_code == LOOP:
            return None
        heard = (self.last_heard_at, None if self.session.gateway else self.session.last_heard_at)
        return max((at for at in heard if at is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """A request as sentences need it; mitigations in the order in which they are asked, those not
    asked yet last.
    """

    name: str
    status: RequestStatus
    mitigations: tuple[MitigationFacts, ...]
    is_plan: bool = False
    "providers hold it in standby"
    auto_renew: bool = True
    ends_at: datetime | None = None
    "None: unknown, or no end"
    ended_at: datetime | None = None
    ended_by: str = ""
    "the code for why it ended"
    filtering_ended_at: datetime | None = None
    "for a plan: when the last provider that filtered for it stopped on its own"
    patience_s: int = 10
    uncovered: tuple[str, ...] = ()
    "targets that no provider holds, and that no provider was just asked for"
    approval: ApprovalFacts | None = None
    "None: no one had to approve it"

    @property
    def started(self) -> tuple[MitigationFacts, ...]:
        """Without the providers that the portal has not asked."""
        return tuple(mitigation for mitigation in self.mitigations if mitigation.status is not None)
