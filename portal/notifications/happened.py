"""Which events of the log are worth a notice: pure functions from facts to what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from portal.events.data import EventData
from portal.events.models import EventType
from portal.mitigations.models import EndedBy, RequestKind
from portal.mitigations.states import ACTIVE, CONFIRMED, RequestStatus, Status
from portal.notifications.kinds import NoticeKind
from portal.notifications.message import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One event, with what its rows tell about it now."""

    seq: int
    type: EventType
    data: EventData
    request: str = ""
    "id; empty if it is about none"
    mitigation: str = ""
    "id"
    subscription: str = ""
    "id; of the provider that it is about"
    request_kind: RequestKind = RequestKind.IMMEDIATE
    is_ours: bool = False
    "a person or the policy withdrew the mitigation"
    asked: int = 0
    "providers of the request that the portal wants to help now"
    confirmed: int = 0
    "those of them that confirmed"
    refused: int = 0
    "those of them that refused, or that were not sent anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What a notice tells, without its words."""

    kind: NoticeKind
    severity: Severity
    thread: str
    key: str
    """An organization learns once of each key."""
    closes_thread: bool = False
    is_recovery: bool = False
    """It ends what an earlier notice of its thread and kind told: worth nothing without that."""


def happened(event: Occurrence) -> Happened | None:
    """What to tell because of an event; None: nothing."""
    find = _BY_TYPE.get(event.type)
    if find is None or (event.request and event.request_kind == RequestKind.DRILL):
        return None
    return find(event)


def thread_of_request(request: str) -> str:
    return f"request:{request}"


def thread_of_provider(subscription: str) -> str:
    return f"provider:{subscription}"


def _of_request(event: Occurrence, kind: NoticeKind, severity: Severity) -> Happened:
    return Happened(
        kind=kind,
        severity=severity,
        thread=thread_of_request(event.request),
        key=_key(event),
    )


def _key(event: Occurrence) -> str:
    return f"event:{event.seq}"


def _submitted(event: Occurrence) -> Happened | None:
    if event.data.get("status") == RequestStatus.AWAITING_APPROVAL:
        return _of_request(event, NoticeKind.APPROVAL_WANTED, Severity.WARNING)
    return None


def _sent(event: Occurrence) -> Happened | None:
    """Of several providers, the first that it was sent to."""
    if event.request_kind != RequestKind.IMMEDIATE:
        return None
    found = _of_request(event, NoticeKind.SENT, Severity.INFO)
    return replace(found, key=f"sent:{event.request}")


def _declined(event: Occurrence) -> Happened:
    found = _of_request(event, NoticeKind.APPROVAL_DECLINED, Severity.RESOLVED)
    return replace(found, closes_thread=True)


def _approved(event: Occurrence) -> Happened:
    found = _of_request(event, NoticeKind.APPROVAL_WANTED, Severity.RESOLVED)
    return replace(found, is_recovery=True)


def _break_glass(event: Occurrence) -> Happened:
    return _of_request(event, NoticeKind.BREAK_GLASS, Severity.WARNING)


def _note(event: Occurrence) -> Happened | None:
    is_worth_it = bool(event.data.get("mentioned"))
    return _of_request(event, NoticeKind.MENTIONED, Severity.INFO) if is_worth_it else None


def _request_status(event: Occurrence) -> Happened | None:
    status = event.data.get("status", "")
    if event.data.get("ended_by") == EndedBy.NOT_APPROVED:
        found = _of_request(event, NoticeKind.APPROVAL_EXPIRED, Severity.WARNING)
        return replace(found, closes_thread=True)
    if event.data.get("ended_by") in _WITHOUT_PROTECTION:
        # The notice went out when the provider ended it. Its thread stays open until a person has
        # seen that.
        return None
    if status in _OVER:
        return _ended(event)
    if event.request_kind == RequestKind.STANDBY:
        return _plan_status(event, status)
    if status == RequestStatus.FAILING:
        all_refused = event.asked > 0 and event.refused == event.asked
        kind = NoticeKind.NONE_ACCEPTED if all_refused else NoticeKind.NOT_REACHED
        return _of_request(event, kind, Severity.CRITICAL)
    if status == RequestStatus.ATTACK_STOPPED:
        return _of_request(event, NoticeKind.ATTACK_OVER, Severity.INFO)
    if status in _HELPED and event.data.get("previous") == RequestStatus.FAILING:
        found = _of_request(event, NoticeKind.NOT_REACHED, Severity.RESOLVED)
        return replace(found, is_recovery=True)
    if status in _HELPED and event.data.get("previous") == RequestStatus.REQUESTING:
        return _accepted(event)
    return None


def _ended(event: Occurrence) -> Happened:
    found = _of_request(event, NoticeKind.ENDED, Severity.RESOLVED)
    return replace(found, closes_thread=True, key=f"ended:{event.request}")


def _acknowledged(event: Occurrence) -> Happened | None:
    """A person has seen the end. A plan stays after the end of filtering for it."""
    return None if event.request_kind == RequestKind.STANDBY else _ended(event)


_WITHOUT_PROTECTION: Final = (EndedBy.PROVIDER, EndedBy.NEWER_REQUEST)
_OVER: Final = (RequestStatus.TERMINATED, RequestStatus.EXPIRED)
_HELPED: Final = (RequestStatus.IN_PROGRESS, RequestStatus.MITIGATING)


def _accepted(event: Occurrence) -> Happened | None:
    if not event.asked or event.confirmed < event.asked:
        return None
    found = _of_request(event, NoticeKind.ACCEPTED, Severity.INFO)
    return replace(found, key=f"accepted:{event.request}")


def _plan_status(event: Occurrence, status: str) -> Happened | None:
    if status == RequestStatus.FAILING:
        return _of_request(event, NoticeKind.PLAN_LOST, Severity.WARNING)
    if status == RequestStatus.STANDBY and event.data.get("previous") == RequestStatus.FAILING:
        found = _of_request(event, NoticeKind.PLAN_LOST, Severity.RESOLVED)
        return replace(found, is_recovery=True)
    return None


def _refused(event: Occurrence) -> Happened | None:
    """The request, or its extension; the portal asks again later, and may get the same answer."""
    if event.data.get("status") not in (Status.REFUSED, Status.PENDING, *CONFIRMED):
        return None
    is_plan = event.request_kind == RequestKind.STANDBY
    kind = NoticeKind.PLAN_LOST if is_plan else NoticeKind.REFUSED
    found = _of_request(event, kind, Severity.WARNING)
    code = str(event.data.get("code", ""))[:MAX_CODE]
    return replace(found, key=f"refused:{event.mitigation}:{code}")


MAX_CODE: Final = 16


def _mitigation_status(event: Occurrence) -> Happened | None:
    status, previous = event.data.get("status"), event.data.get("previous")
    if status == previous or not status:
        return None
    if event.request_kind == RequestKind.STANDBY:
        return _plan_at_provider(event, Status(status), str(previous))
    if status == Status.EXCEEDED:
        return _of_request(event, NoticeKind.OVER_CAPACITY, Severity.WARNING)
    if status in _STOPPED and previous in _PROTECTED and not event.is_ours:
        # A newer request that protects at least as much takes its place.
        if event.data.get("why") == "superseded" and not event.data.get("is_less"):
            return None
        return _of_request(event, NoticeKind.ENDED_BY_PROVIDER, Severity.CRITICAL)
    if status in _PROTECTED and previous not in CONFIRMED and event.asked > 1:
        return _accepted(event)
    return None


_STOPPED: Final = (Status.WITHDRAWN, Status.TERMINATING)
_PROTECTED: Final = frozenset(ACTIVE)


def _plan_at_provider(event: Occurrence, status: Status, previous: str) -> Happened | None:
    if status in ACTIVE and previous not in ACTIVE:
        return _of_request(event, NoticeKind.PLAN_ACTIVATED, Severity.WARNING)
    if status in (*_STOPPED, Status.PENDING) and previous in CONFIRMED and not event.is_ours:
        if event.data.get("why") == "superseded":
            return None
        return _of_request(event, NoticeKind.PLAN_LOST, Severity.WARNING)
    if status == Status.STANDBY and previous in ACTIVE:
        found = _of_request(event, NoticeKind.PLAN_ACTIVATED, Severity.RESOLVED)
        return replace(found, is_recovery=True)
    if status == Status.STANDBY:
        found = _of_request(event, NoticeKind.PLAN_LOST, Severity.RESOLVED)
        return replace(found, is_recovery=True)
    return None


def _proposal_made(event: Occurrence) -> Happened:
    return Happened(
        kind=NoticeKind.PROPOSAL,
        severity=Severity.WARNING,
        thread=f"incident:{event.data.get('incident', '')}",
        key=_key(event),
    )


def _proposal_over(event: Occurrence) -> Happened:
    found = replace(_proposal_made(event), severity=Severity.RESOLVED)
    return replace(found, is_recovery=True, closes_thread=True)


def _session_up(event: Occurrence) -> Happened | None:
    if not event.subscription:
        return None
    return Happened(
        kind=NoticeKind.SESSION_DOWN,
        severity=Severity.RESOLVED,
        thread=thread_of_provider(event.subscription),
        key=_key(event),
        closes_thread=True,
        is_recovery=True,
    )


def _drill_ended(event: Occurrence) -> Happened | None:
    if event.data.get("passed", True):
        return None
    return Happened(
        kind=NoticeKind.DRILL_FAILED,
        severity=Severity.WARNING,
        thread=f"drill:{event.data.get('drill', '')}",
        key=_key(event),
    )


_BY_TYPE: Final[Mapping[EventType, Callable[[Occurrence], Happened | None]]] = {
    EventType.REQUEST_SUBMITTED: _submitted,
    EventType.REQUEST_APPROVED: _approved,
    EventType.REQUEST_DECLINED: _declined,
    EventType.REQUEST_BREAK_GLASS: _break_glass,
    EventType.REQUEST_NOTE: _note,
    EventType.REQUEST_STATUS: _request_status,
    EventType.REQUEST_ACKNOWLEDGED: _acknowledged,
    EventType.MITIGATION_SENT: _sent,
    EventType.MITIGATION_REFUSED: _refused,
    EventType.MITIGATION_STATUS: _mitigation_status,
    EventType.PROPOSAL_MADE: _proposal_made,
    EventType.PROPOSAL_CONFIRMED: _proposal_over,
    EventType.PROPOSAL_DISMISSED: _proposal_over,
    EventType.PROPOSAL_ENDED: _proposal_over,
    EventType.SESSION_UP: _session_up,
    EventType.DRILL_ENDED: _drill_ended,
}
TYPES: Final = frozenset(_BY_TYPE)
"""The types of events that may be worth a notice."""
RECOVERS: Final = {NoticeKind.NOT_REACHED: (NoticeKind.NOT_REACHED, NoticeKind.NONE_ACCEPTED)}
"""The kinds that a recovery of one kind ends; every other kind ends only its own."""
