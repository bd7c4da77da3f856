"""A provider's part of a request, and the chips of requests and providers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from portal import wording
from portal.mitigations.models import MitigationRequest, Strategy
from portal.mitigations.states import RequestStatus
from portal.web.live_amounts import own_amounts, reported_kinds


def as_of(facts: wording.RequestFacts, now: datetime) -> datetime | None:
    """When a live request was last heard about, if that is too long ago."""
    stale = [mitigation for mitigation in facts.started if wording.is_stale(mitigation, now)]
    fresh = [
        mitigation
        for mitigation in facts.started
        if mitigation not in stale
        and wording.display_status(mitigation, now)
        in (*wording.FILTERING, wording.DisplayStatus.ACCEPTED)
    ]
    heard = [mitigation.heard_at for mitigation in stale if mitigation.heard_at is not None]
    return max(heard) if heard and not fresh else None


def request_chip(facts: wording.RequestFacts, now: datetime) -> Chip:
    is_old = facts.status in (
        RequestStatus.IN_PROGRESS,
        RequestStatus.MITIGATING,
        RequestStatus.ATTACK_STOPPED,
        RequestStatus.STANDBY,
    )
    return Chip(
        badge=wording.request_badge(facts, now),
        status=facts.status.value,
        as_of=as_of(facts, now) if is_old else None,
    )


def end_chip(facts: wording.RequestFacts, now: datetime) -> Chip:
    """For an unacknowledged, unrequested end: how it ended, even if a plan is held again since."""
    return Chip(badge=wording.end_badge(facts, now), status=facts.status.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A status chip: shape, label, tint, and the API's value for programs."""

    badge: wording.Badge
    status: str
    as_of: datetime | None = None
    "set if it is old: outline instead of tint"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCard:
    """One provider's part of a request, as it is shown."""

    mitigation: wording.MitigationFacts
    number: int | None
    chip: Chip
    fact: str
    rest: str
    steps: tuple[wording.ProgressStep, ...]
    family: str
    needs_call: bool
    path: str = ""
    "the gateways and relays on the path of a request, a sentence"
    ask: str = ""
    "the label of the button that asks it now; empty if there is none"
    question: wording.Question | None = None
    "what withdrawing it alone would do; None if it cannot be withdrawn alone"

    rate: int | None = None
    "bytes per second that it drops; None while it does not filter, whatever its counters say"

    amounts: str = ""
    "those in its text that the script keeps current"
    reported: str = ""
    "which amounts it reports"

    @property
    def is_passed_by(self) -> bool:
        """Failover skips it; `rest` says why."""
        return not self.is_asked and bool(self.mitigation.why_not or self.mitigation.left_out)

    @property
    def is_asked(self) -> bool:
        return self.mitigation.status is not None


def mitigation_chip(mitigation: wording.MitigationFacts, now: datetime) -> Chip:
    status = mitigation.status.value if mitigation.status else "not_asked"
    return Chip(
        badge=wording.mitigation_badge(mitigation, now),
        status=status,
        as_of=mitigation.heard_at if wording.is_stale(mitigation, now) else None,
    )


def is_ordered(request: MitigationRequest) -> bool:
    """Its providers are asked one after the other."""
    return request.strategy == Strategy.FAILOVER


def provider_cards_of(
    facts: wording.RequestFacts,
    now: datetime,
    *,
    is_ordered: bool,
    targets: Sequence[str] = (),
    can_act: bool = False,
) -> list[ProviderCard]:
    """`can_act`: with the buttons that ask or withdraw one provider; `targets` are the
    request's.
    """
    shown: list[ProviderCard] = []
    chosen = sum(mitigation.is_chosen for mitigation in facts.mitigations)
    for index, mitigation in enumerate(facts.mitigations):
        before = [one for one in facts.mitigations[:index] if one.is_chosen]
        fact, rest = wording.tell(mitigation, now, before=before, patience_s=facts.patience_s)
        display = wording.display_status(mitigation, now)
        shown.append(
            ProviderCard(
                mitigation=mitigation,
                number=index + 1 if is_ordered and chosen > 1 and mitigation.is_chosen else None,
                chip=mitigation_chip(mitigation, now),
                fact=fact,
                rest=rest,
                steps=wording.track(mitigation, now),
                family=wording.BADGES[display].family,
                needs_call=wording.needs_call(mitigation, now),
                rate=wording.dropped_now([mitigation], now),
                amounts=own_amounts(mitigation, now),
                reported=reported_kinds(mitigation),
                path=wording.path_sentence(mitigation.session, mitigation.short),
                ask=wording.ask_label(mitigation, now) if can_act else "",
                question=wording.withdraw_question(facts, mitigation, targets, now)
                if can_act
                else None,
            )
        )
    return shown
