"""The description of a request: targets, traffic, lifetime, requester."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from portal import wording
from portal.accounts.wording import who as requester_name
from portal.core.formatting import ahead, day, days_ahead, lifetime, listed, moment, when
from portal.core.targets import both_forms
from portal.core.wording.ports_and_protocols import traffic_words
from portal.mitigations.models import MitigationRequest, RequestKind, Strategy
from portal.mitigations.responsible import Responsible, responsible_for
from portal.mitigations.states import RequestStatus
from portal.organizations.acting import name_at
from portal.wording.approvals import outcome_sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """The lifetime as text and as a bar."""

    words: str
    then: str = ""
    "what happens at its end"
    ends_at: datetime | None = None
    left_min: int = 0
    total_min: int = 0
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDescription:
    """The description of a request as text."""

    heading: str = "What was asked"
    is_plan: bool = False
    resources: tuple[str, ...]
    targets: tuple[str, ...]
    traffic: str
    who: str
    who_label: str = "Providers"
    by: str
    by_label: str = "Asked by"
    at: datetime
    life: Life
    responsible: Responsible
    approval: str = ""
    "what became of the approval it needed; empty if it needed none"


WARN_BEFORE_END = timedelta(minutes=10)


def targets_of(request: MitigationRequest) -> tuple[str, ...]:
    """As they are sent; an internationalized name also in its readable form."""
    return tuple(map(both_forms, request.scope.texts))


def scope_line(request: MitigationRequest) -> str:
    """One line for a card: "203.0.113.0/26 and 2 more, any port"."""
    every = targets_of(request)
    more = f" and {len(every) - 3} more" if len(every) > 3 else ""
    is_any = not (request.ports or request.protocols)
    traffic = "any port" if is_any else traffic_words(request.ports, request.protocols)
    return f"{', '.join(every[:3])}{more}, {traffic}"


def describe_request(
    request: MitigationRequest,
    facts: wording.RequestFacts,
    now: datetime,
) -> RequestDescription:
    names = [mitigation.short for mitigation in facts.mitigations if mitigation.is_chosen]
    first = [mitigation.short for mitigation in facts.started if mitigation.is_first]
    if len(names) == 1:
        who = names[0]
    elif request.strategy == Strategy.PARALLEL:
        who = "Both at once" if len(names) == 2 else "All at once"
    elif len(first) > 1:
        who = f"{listed(first)} at once, each for the targets it may protect"
    else:
        patience = f"{facts.patience_s}\u00a0s"
        who = f"One after the other: {', then '.join(names)}, each after {patience}"
        if len(names) == 2:
            who = f"One after the other: {names[0]}, then {names[1]} after {patience}"
    return RequestDescription(
        resources=tuple(resource.name for resource in request.resources.all()),
        targets=targets_of(request),
        traffic=traffic_words(request.ports, request.protocols),
        who=who or "Nobody",
        by=requester_name(request.requester),
        at=request.created_at,
        life=life(request, facts, now),
        responsible=responsible_for(request),
        approval=outcome_sentence(facts.approval, now) if facts.approval else "",
    )


def life(request: MitigationRequest, facts: wording.RequestFacts, now: datetime) -> Life:
    """ "Ends at 04:12 UTC, in 44 min" while it runs, else the agreed lifetime."""
    is_plan = request.kind == RequestKind.STANDBY
    length = lifetime(request.lifetime_s)
    agreed = f"{length[:1].upper()}{length[1:]}" + (" at a time" if request.auto_renew else "")
    if request.lifetime_s < 0:
        agreed = f"Until you {'turn it off' if is_plan else 'terminate it'}"
    if request.is_over:
        by = request.terminator
        ended = "turned off" if is_plan else "terminated"
        person = name_at(
            request.terminate_asked_by, request.organization_id, request.terminate_asked_at
        )
        words = requester_name(by) if by and by.user is None else person
        return Life(words=f"{agreed}; {ended} by {words}" if by else agreed)
    if request.terminate_asked_at:
        return Life(words=f"{agreed}; no longer renewed")
    if facts.ends_at is None:
        return Life(words=agreed)
    left = facts.ends_at - now
    return Life(
        words=(
            f"Ends {when(facts.ends_at, now, seconds=False, zone=True)}, "
            f"{ahead(facts.ends_at, now)}"
        ),
        then=_then(request),
        ends_at=facts.ends_at,
        left_min=max(0, round(left / timedelta(minutes=1))),
        total_min=max(1, request.lifetime_s // 60),
        is_warning=not request.auto_renew and left < WARN_BEFORE_END,
    )


def _then(request: MitigationRequest) -> str:
    if not request.auto_renew:
        return "Then it ends."
    while_connected = "" if request.is_immediate else ", while there is contact"
    return f"Renews automatically before that{while_connected}."


def short_life(request: MitigationRequest, facts: wording.RequestFacts, now: datetime) -> str:
    """One line for a card: "Ends 04:12, renews automatically"."""
    if facts.ends_at is None or request.terminate_asked_at:
        return life(request, facts, now).words
    ends = f"Ends {moment(facts.ends_at, now, seconds=False)}"
    # A plan that a provider activated is renewed only at the last moment, and some providers then
    # stop filtering.
    is_renewed = request.auto_renew and (
        request.is_immediate or request.status == RequestStatus.STANDBY
    )
    return f"{ends}, renews automatically" if is_renewed else ends


def when_used(last_used_at: datetime | None, now: datetime) -> str:
    if last_used_at is None:
        return "Never used"
    days = -days_ahead(last_used_at, now)
    return f"Last used {('today', 'yesterday')[days] if 0 <= days < 2 else day(last_used_at, now)}"
