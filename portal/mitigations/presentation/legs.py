"""From rows to the facts that sentences are made of, and to the lanes that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.formatting import dialable
from portal.mitigations import queries, wording
from portal.mitigations.failover import (
    current_legs,
    gap,
    is_asked_again,
    is_withdrawn_by_policy,
)
from portal.mitigations.models import (
    FilteringEnd,
    FilteringEndedBy,
    Mitigation,
    MitigationRequest,
    Strategy,
    every_target,
)
from portal.mitigations.replacing import without_consent
from portal.mitigations.states import CONFIRMED, RequestStatus, Status
from portal.mitigations.unknown import Unknown
from portal.mitigations.validation import Part, part_of
from portal.mitigations.wording.replaced import taken_over
from portal.mitigations.wording.replacing import left_out
from portal.organizations.models import LateAcceptance, Organization
from portal.providers.models import PathKind, Subscription


def session_of(subscription: Subscription) -> wording.Session:
    provider = subscription.provider
    return wording.Session(
        gateway=provider.path_name if provider.path_kind == PathKind.GATEWAY else "",
        relay=provider.path_name if provider.path_kind == PathKind.RELAY else "",
        state=subscription.session_state,
        since=subscription.session_since,
        last_heard_at=subscription.last_heard_at,
        detail=subscription.session_detail,
    )


def _is_tried_again(mitigation: Mitigation) -> bool:
    if mitigation.status in (Status.PENDING, Status.TERMINATING):
        return True
    return is_asked_again(mitigation, list(mitigation.request.mitigations.all()))


def leg_of(
    mitigation: Mitigation,
    *,
    status_at: datetime | None = None,
    earlier: Sequence[Mitigation] = (),
) -> wording.Leg:
    """`earlier`: what the same provider was asked before in this request, and withdrawn."""
    subscription = mitigation.subscription
    provider = subscription.provider
    has_refusal = bool(mitigation.refusal_code or mitigation.conflict)
    dropped = [one.bytes_dropped for one in (*earlier, mitigation) if one.bytes_dropped is not None]
    targets = every_target(mitigation.scope)
    return wording.Leg(
        name=provider.name,
        short=provider.short_name,
        phone=dialable(provider.phone),
        is_plan=not mitigation.request.is_immediate,
        session=session_of(subscription),
        status=Status(mitigation.status),
        because=mitigation.because,
        sent_at=mitigation.sent_at,
        last_sent_at=mitigation.last_sent_at,
        sends=mitigation.sends,
        overdue_at=mitigation.overdue_at,
        confirmed_at=mitigation.confirmed_at,
        mitigating_at=mitigation.mitigating_at,
        first_mitigating_at=min(
            (one.mitigating_at for one in (*earlier, mitigation) if one.mitigating_at),
            default=None,
        ),
        mitigation_start=mitigation.mitigation_start,
        unknown_report=mitigation.unknown_report,
        status_at=status_at,
        withdrawal_asked_at=mitigation.withdrawal_asked_at,
        withdrawal_confirmed_at=mitigation.withdrawal_confirmed_at,
        is_held_again=mitigation.hold_again,
        filtering_end=_filtering_end(mitigation),
        is_still_held=mitigation.is_still_held,
        let_go_at=mitigation.let_go_at,
        is_let_go_given_up=mitigation.is_let_go_given_up,
        ended_at=mitigation.ended_at,
        last_heard_at=mitigation.last_heard_at,
        is_replaced=mitigation.is_replaced,
        taken_over=taken_over(mitigation.replaced_by) if mitigation.is_replaced else None,
        retry_at=mitigation.retry_at if _is_tried_again(mitigation) else None,
        refusal_code=mitigation.refusal_code,
        unsaved_at=mitigation.unsaved_at,
        refusal=wording.refusal_sentence(
            f"Gateway {provider.path_name}"
            if provider.path_kind == PathKind.GATEWAY
            else provider.short_name,
            code=mitigation.refusal_code,
            reason=mitigation.refusal_reason,
            conflict=mitigation.conflict,
        )
        if has_refusal
        else "",
        bytes_dropped=sum(dropped) if dropped else None,
        bps_dropped=mitigation.bps_dropped,
        pps_dropped=mitigation.pps_dropped,
        reference=_reference(mitigation),
        mitigation=str(mitigation.pk),
        subscription=str(subscription.pk),
        asked_at=mitigation.asked_at,
        asked_by=mitigation.asked_by.username if mitigation.asked_by else "",
        part=() if targets == every_target(mitigation.request.scope) else targets,
        must_wait=mitigation.is_told_to_wait,
        withdrawn_by=mitigation.withdrawn_by.username if mitigation.withdrawn_by else "",
        withdrawn_because=mitigation.withdrawn_because,
        reported=_reported(mitigation),
        may_be_withdrawn=_may_be_withdrawn(mitigation, earlier),
    )


def _filtering_end(mitigation: Mitigation) -> wording.FilteringEnd | None:
    end: FilteringEnd | None = mitigation.filtering_end
    if end is None:
        return None
    reported_at = end["reported_at"]
    return wording.FilteringEnd(
        at=datetime.fromisoformat(end["at"]),
        by=FilteringEndedBy(end["by"]),
        reported_at=datetime.fromisoformat(reported_at) if reported_at else None,
        has_filtered=end["has_filtered"],
        reason=wording.refusal_sentence(
            mitigation.subscription.provider.short_name, code="", conflict=end["conflict"]
        )
        if end["conflict"]
        else "",
        taken_over=taken_over(end["replaced_by"]) if end["replaced_by"] else None,
    )


def _reported(mitigation: Mitigation) -> wording.Reported | None:
    state, at = mitigation.efficacy_state, mitigation.efficacy_asked_at
    if state is None or at is None:
        return None
    return wording.Reported(
        attack_status=mitigation.attack_status,
        at=at,
        state=state,
        retry_at=mitigation.efficacy_retry_at,
        refusal=wording.refusal_sentence(
            mitigation.subscription.provider.short_name,
            code=mitigation.efficacy_code,
            reason=mitigation.efficacy_reason,
        )
        if mitigation.efficacy_code
        else "",
    )


def _reference(mitigation: Mitigation) -> str:
    """What a desk finds it by; behind a gateway the provider may know it by other numbers."""
    subscription = mitigation.subscription
    provider = subscription.provider
    numbers = f"cuid {subscription.cuid}, mid {mitigation.mid}"
    is_behind = provider.path_kind == PathKind.GATEWAY
    return f"{numbers} at gateway {provider.path_name}" if is_behind else numbers


def _may_be_withdrawn(mitigation: Mitigation, earlier: Sequence[Mitigation]) -> bool:
    """By policy: fallback asked it, no person did, and it was not taken away once before."""
    policy = mitigation.request.organization.late_acceptance
    was_fallback = bool(mitigation.because) and mitigation.asked_by_id is None
    return (
        policy == LateAcceptance.WITHDRAW_LATER
        and was_fallback
        and not any(is_withdrawn_by_policy(one) for one in earlier)
    )


def _left_out(request: MitigationRequest, part: Part, live: Sequence[Mitigation | Unknown]) -> str:
    if request.strategy != Strategy.FAILOVER or not request.is_immediate or not part.is_able:
        return ""
    found = without_consent(request, part.ask.subscription, part.scope, live)
    if not found:
        return ""
    return left_out(
        [one.name for one in found],
        ((one.provider, one.losses) for each in found for one in each.endings),
        is_filtering=any(one.is_filtering for one in found),
    )


def _not_asked(
    subscription: Subscription,
    request: MitigationRequest,
    live: Sequence[Mitigation | Unknown],
    *,
    is_chosen: bool,
) -> wording.Leg:
    provider = subscription.provider
    part = part_of(queries.ask_of(subscription), request.scope, port_ranges=len(request.ports))
    is_partial = part.targets != every_target(request.scope)
    return wording.Leg(
        name=provider.name,
        short=provider.short_name,
        phone=dialable(provider.phone),
        session=session_of(subscription),
        subscription=str(subscription.pk),
        is_chosen=is_chosen,
        why_not=part.why_not(),
        left_out=_left_out(request, part, live) if is_chosen else "",
        part=part.targets if is_partial else (),
    )


def asked_of(
    request: MitigationRequest,
    subscriptions: Mapping[str, Subscription],
    organization: Organization,
    *,
    status_at: Mapping[UUID, datetime] | None = None,
    with_others: bool = False,
    live: Sequence[Mitigation | Unknown] = (),
) -> wording.Asked:
    """A request as sentences need it. `subscriptions` are the organization's, by id.

    `live`: what providers hold for the organization (`queries.replaceable`), to tell whom the order passes by because of it.

    `with_others`: providers that the request does not name follow after those it does.
    """
    mitigations = list(request.mitigations.all())
    current = current_legs(mitigations)
    since = status_at or {}
    by_id = {
        str(one.subscription_id): leg_of(
            one,
            status_at=since.get(one.pk),
            earlier=[
                old
                for old in mitigations
                # What a plan's provider did before it was stopped is the log's.
                if request.is_immediate
                and old.subscription_id == one.subscription_id
                and old.pk != one.pk
            ],
        )
        for one in current
    }
    if not (request.is_over or request.terminate_asked_at):
        for one, subscription in subscriptions.items():
            is_chosen = one in request.subscriptions
            if one not in by_id and subscription.enabled and (is_chosen or with_others):
                by_id[one] = _not_asked(subscription, request, live, is_chosen=is_chosen)
    named = [one for one in request.subscriptions if one in by_id]
    legs = [by_id[one] for one in (*named, *(one for one in by_id if one not in named))]
    # The portal does not renew what a provider stopped, refused or is ending.
    ends = [one.expires_at for one in current if one.expires_at and one.status in CONFIRMED]
    return wording.Asked(
        name=request.name,
        status=RequestStatus(request.status),
        legs=tuple(legs),
        is_plan=not request.is_immediate,
        auto_renew=request.auto_renew,
        ends_at=min(ends, default=None),
        ended_at=request.ended_at,
        ended_by=request.ended_by,
        filtering_ended_at=request.filtering_ended_at,
        patience_s=organization.patience_s,
        uncovered=tuple(gap(request.scope, current)),
    )


def as_of(asked: wording.Asked, now: datetime) -> datetime | None:
    """When all that is known of a live request was heard, if that is too long ago."""
    stale = [leg for leg in asked.asked if wording.is_stale(leg, now)]
    fresh = [
        leg
        for leg in asked.asked
        if leg not in stale
        and wording.face(leg, now) in (*wording.FILTERING, wording.Face.ACCEPTED)
    ]
    heard = [leg.heard_at for leg in stale if leg.heard_at is not None]
    return max(heard) if heard and not fresh else None


def request_chip(asked: wording.Asked, now: datetime) -> Chip:
    is_old = asked.status in (
        RequestStatus.IN_PROGRESS,
        RequestStatus.MITIGATING,
        RequestStatus.ATTACK_STOPPED,
        RequestStatus.STANDBY,
    )
    return Chip(
        look=wording.look(asked, now),
        status=asked.status.value,
        as_of=as_of(asked, now) if is_old else None,
    )


def end_chip(asked: wording.Asked, now: datetime) -> Chip:
    """Of what ended by itself and nobody acknowledged: how it ended, also where a plan is held again since."""
    return Chip(look=wording.end_look(asked, now), status=asked.status.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A status chip: shape, word, tint, and the API's value for programs."""

    look: wording.Look
    status: str
    as_of: datetime | None = None
    "set when it is old: outline instead of tint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One provider's part of a request, as it is shown."""

    leg: wording.Leg
    number: int | None
    chip: Chip
    fact: str
    rest: str
    steps: tuple[wording.Step, ...]
    family: str
    needs_call: bool
    path: str = ""
    "whom a request passes on its way, a sentence"
    ask: str = ""
    "the button that asks it now; empty: none"
    question: wording.Question | None = None
    "what withdrawing it alone would do; None: it cannot be withdrawn alone"

    rate: int | None = None
    "bytes per second that it drops; None while it does not filter, whatever its counters say"

    @property
    def is_passed_by(self) -> bool:
        """The order does not ask it in its turn; `rest` says why."""
        return not self.is_asked and bool(self.leg.why_not or self.leg.left_out)

    @property
    def is_asked(self) -> bool:
        return self.leg.status is not None


def leg_chip(leg: wording.Leg, now: datetime) -> Chip:
    status = leg.status.value if leg.status else "not_asked"
    return Chip(
        look=wording.leg_look(leg, now),
        status=status,
        as_of=leg.heard_at if wording.is_stale(leg, now) else None,
    )


def lanes(
    asked: wording.Asked,
    now: datetime,
    *,
    is_ordered: bool,
    targets: Sequence[str] = (),
    can_act: bool = False,
) -> list[Lane]:
    """`can_act`: with the buttons that ask or withdraw one provider; `targets` are the request's."""
    shown: list[Lane] = []
    chosen = sum(leg.is_chosen for leg in asked.legs)
    for index, leg in enumerate(asked.legs):
        before = [one for one in asked.legs[:index] if one.is_chosen]
        fact, rest = wording.tell(leg, now, before=before, patience_s=asked.patience_s)
        leg_face = wording.face(leg, now)
        shown.append(
            Lane(
                leg=leg,
                number=index + 1 if is_ordered and chosen > 1 and leg.is_chosen else None,
                chip=leg_chip(leg, now),
                fact=fact,
                rest=rest,
                steps=wording.track(leg, now),
                family=wording.LOOKS[leg_face].family,
                needs_call=wording.needs_call(leg, now),
                rate=wording.dropped_now([leg], now),
                path=wording.path_sentence(leg.session, leg.short),
                ask=wording.ask_label(leg, now) if can_act else "",
                question=wording.withdraw_question(asked, leg, targets, now) if can_act else None,
            )
        )
    return shown
