"""From rows to the facts that sentences are made of, and to the lanes that show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.mitigations import wording
from portal.mitigations.failover import is_asked_again
from portal.mitigations.models import Mitigation, MitigationRequest
from portal.mitigations.states import RequestStatus, Status
from portal.organizations.models import Organization
from portal.providers.models import Subscription


def session_of(subscription: Subscription) -> wording.Session:
    return wording.Session(
        state=subscription.session_state,
        since=subscription.session_since,
        last_heard_at=subscription.last_heard_at,
        detail=subscription.session_detail,
    )


def _is_tried_again(mitigation: Mitigation) -> bool:
    if mitigation.status == Status.PENDING:
        return True
    return is_asked_again(mitigation, list(mitigation.request.mitigations.all()))


def leg_of(mitigation: Mitigation, *, status_at: datetime | None = None) -> wording.Leg:
    subscription = mitigation.subscription
    provider = subscription.provider
    has_refusal = bool(mitigation.refusal_code or mitigation.conflict)
    return wording.Leg(
        name=provider.name,
        short=provider.short_name,
        phone=provider.phone,
        session=session_of(subscription),
        status=Status(mitigation.status),
        because=mitigation.because,
        sent_at=mitigation.sent_at,
        last_sent_at=mitigation.last_sent_at,
        sends=mitigation.sends,
        overdue_at=mitigation.overdue_at,
        confirmed_at=mitigation.confirmed_at,
        mitigating_at=mitigation.mitigating_at,
        status_at=status_at,
        withdrawal_asked_at=mitigation.withdrawal_asked_at,
        withdrawal_confirmed_at=mitigation.withdrawal_confirmed_at,
        ended_at=mitigation.ended_at,
        last_heard_at=mitigation.last_heard_at,
        is_replaced=mitigation.is_replaced,
        retry_at=mitigation.retry_at if _is_tried_again(mitigation) else None,
        refusal_code=mitigation.refusal_code,
        refusal=wording.refusal_sentence(
            provider.short_name,
            code=mitigation.refusal_code,
            reason=mitigation.refusal_reason,
            conflict=mitigation.conflict,
        )
        if has_refusal
        else "",
        bytes_dropped=mitigation.bytes_dropped,
        bps_dropped=mitigation.bps_dropped,
        pps_dropped=mitigation.pps_dropped,
        reference=f"cuid {subscription.cuid}, mid {mitigation.mid}",
    )


def _not_asked(subscription: Subscription) -> wording.Leg:
    provider = subscription.provider
    return wording.Leg(
        name=provider.name,
        short=provider.short_name,
        phone=provider.phone,
        session=session_of(subscription),
    )


def asked_of(
    request: MitigationRequest,
    subscriptions: Mapping[str, Subscription],
    organization: Organization,
    *,
    status_at: Mapping[UUID, datetime] | None = None,
) -> wording.Asked:
    """A request as sentences need it. `subscriptions` are the organization's, by id."""
    mitigations = sorted(request.mitigations.all(), key=lambda one: one.position)
    taken = {str(mitigation.subscription_id) for mitigation in mitigations}
    left = [] if request.is_over or request.terminate_asked_at else request.subscriptions
    since = status_at or {}
    legs = [leg_of(one, status_at=since.get(one.pk)) for one in mitigations]
    legs += [
        _not_asked(subscriptions[one]) for one in left if one not in taken and one in subscriptions
    ]
    ends = [one.expires_at for one in mitigations if one.expires_at and not one.is_over]
    return wording.Asked(
        name=request.name,
        status=RequestStatus(request.status),
        legs=tuple(legs),
        auto_renew=request.auto_renew,
        ends_at=min(ends, default=None),
        ended_at=request.ended_at,
        patience_s=organization.patience_s,
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

    @property
    def is_asked(self) -> bool:
        return self.leg.status is not None


_IN_TROUBLE = (wording.Face.NO_ANSWER, wording.Face.EXCEEDED, wording.Face.NOT_TOLD)


def leg_chip(leg: wording.Leg, now: datetime) -> Chip:
    status = leg.status.value if leg.status else "not_asked"
    return Chip(
        look=wording.LOOKS[wording.face(leg, now)],
        status=status,
        as_of=leg.heard_at if wording.is_stale(leg, now) else None,
    )


def lanes(asked: wording.Asked, now: datetime, *, is_ordered: bool) -> list[Lane]:
    shown: list[Lane] = []
    for index, leg in enumerate(asked.legs):
        fact, rest = wording.tell(leg, now, before=asked.legs[:index], patience_s=asked.patience_s)
        leg_face = wording.face(leg, now)
        is_reachable = leg_face != wording.Face.NOT_TOLD or leg.session.state == "up"
        shown.append(
            Lane(
                leg=leg,
                number=index + 1 if is_ordered and len(asked.legs) > 1 else None,
                chip=leg_chip(leg, now),
                fact=fact,
                rest=rest,
                steps=wording.track(leg, now),
                family=wording.LOOKS[leg_face].family,
                needs_call=bool(leg.phone)
                and leg_face in _IN_TROUBLE
                and not (leg_face == wording.Face.NOT_TOLD and is_reachable),
            )
        )
    return shown
