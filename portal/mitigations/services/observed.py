"""What the signal worker did and what providers said, written down once, each under the request's lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from portal.core.sweeping import count_done
from portal.core.wake import wake_on_commit
from portal.mitigations import queries
from portal.mitigations.failover import is_asked_again
from portal.mitigations.models import (
    MAX_LET_GO_TRIES,
    EventType,
    Mitigation,
    RequestKind,
    Wanted,
)
from portal.mitigations.replacing import replacement
from portal.mitigations.services.advance import (
    WIND_DOWN_AT_MOST,
    Step,
    advance,
    apply,
    legs_of,
    lock_mitigation,
    settle,
    winds_down_until,
)
from portal.mitigations.services.reports import ends
from portal.mitigations.states import LIVE, LOOP, SET_BACK, WINDING_DOWN, Status, Trigger

MAX_REASON_KEPT: Final = 500
MAX_REASON_TOLD: Final = 100
"""In an event."""
JUST_BEFORE: Final = timedelta(microseconds=1)
END_AGAIN_AFTER: Final = timedelta(seconds=30)
"""When a provider is told again to stop whom gateways kept that word from."""
MAX_SWEPT: Final = 500
"""Rows one sweep looks at; the rest waits for the next."""


def record_sending(*, mitigation_id: UUID, now: datetime) -> bool:
    """Say, before the first datagram leaves, that it may have left; False when it must not.

    A worker that dies after this leaves a row that is sent again, never one that is thought unsent. One statement:
    it stands between a person and the wire, and needs no lock that a termination does not take as well.
    """
    wanted = Mitigation.objects.filter(pk=mitigation_id, wanted=Wanted.ACTIVE, status__in=LIVE)
    first = {
        "sent_at": _unless_asked_again("sent_at", now),
        "sends": _unless_asked_again("sends", 0),
    }
    return bool(wanted.update(**first, last_sent_at=now))


def _unless_asked_again(column: str, begin: datetime | int) -> Case:
    """The columns that start over with each new ask: the first copy, and the count of copies."""
    return Case(When(sent_at__gte=F("asked_at"), then=F(column)), default=Value(begin))


@transaction.atomic(savepoint=False)
def record_sent(*, mitigation_id: UUID, now: datetime) -> None:
    """The first copy left: one event, whichever worker gets to write it."""
    mitigation = lock_mitigation(mitigation_id)
    if not mitigation.events.filter(type=EventType.MITIGATION_SENT).exists():
        step = Step(mitigation_id=mitigation_id, event=EventType.MITIGATION_SENT)
        apply(mitigation, step, now=now)


def record_sends(*, mitigation_id: UUID, times: int, now: datetime) -> None:
    """Count further datagrams sent with each request."""
    Mitigation.objects.filter(pk=mitigation_id).update(sends=F("sends") + times, last_sent_at=now)


@transaction.atomic(savepoint=False)
def record_confirmed(
    *,
    mitigation_id: UUID,
    lifetime_s: int | None,
    now: datetime,
    asked_at: datetime,
    extended_at: datetime | None = None,
    conflict: Mapping[str, Any] | None = None,
) -> Mitigation | None:
    """2.01 or 2.04: the provider holds it for `lifetime_s` from now.

    `asked_at`: when that PUT was begun; `extended_at`: the last extension it knew of.
    """
    columns: dict[str, Any] = {
        "last_heard_at": now,
        "overdue_at": None,
        "retry_at": None,
        "refusal_code": "",
        "refusal_reason": "",
        "conflict": conflict,
        "confirmed_at": now,
    }
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    columns["refreshed_at"] = refreshed(mitigation, asked_at, extended_at)
    if mitigation.confirmed_at:
        columns["confirmed_at"] = mitigation.confirmed_at
    if lifetime_s is not None:
        columns["expires_at"] = ends(lifetime_s, now)
    step = Step(
        mitigation_id=mitigation_id,
        trigger=Trigger.ACCEPTED if mitigation.request.is_immediate else Trigger.HELD,
        columns=columns,
        told={} if lifetime_s is None else {"lifetime": lifetime_s},
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def refreshed(mitigation: Mitigation, at: datetime, extended_at: datetime | None) -> datetime:
    """`at`, or just before an extension that the PUT did not know of yet: that one is still to be asked for.

    It is not told by its time: an extension is committed a moment after that, and a PUT may be begun meanwhile.
    """
    asked = mitigation.refresh_asked_at
    return at if asked in (None, extended_at) else min(at, asked - JUST_BEFORE)


@transaction.atomic(savepoint=False)
def record_refused(
    *,
    mitigation_id: UUID,
    code: str,
    reason: str,
    now: datetime,
    extended_at: datetime | None = None,
    conflict: Mapping[str, Any] | None = None,
    retry_after_s: int | None = None,
) -> Mitigation | None:
    """A definite 4.xx. `retry_after_s`: the provider's own time before it may be asked again (SC-046).

    Or 5.08: asking again changes nothing before a person or other settings do (SC-107).
    """
    own_time: dict[str, Any] = {"retry_at": None} if code == LOOP else {}
    if retry_after_s is not None:
        own_time = {"retry_at": now + timedelta(seconds=retry_after_s)}
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    step = Step(
        mitigation_id=mitigation_id,
        trigger=Trigger.PROVIDER_REFUSED,
        columns={
            **own_time,
            "last_heard_at": now,
            "refusal_code": code,
            "refusal_reason": reason[:MAX_REASON_KEPT],
            "conflict": conflict,
            # A refused refresh is not repeated at once; the next one is due by time.
            "refreshed_at": refreshed(mitigation, now, extended_at),
        },
        told={
            "code": code,
            "reason": reason[:MAX_REASON_TOLD],
            # The words are then the portal's own for a conflict, not a quotation.
            **({"is_conflict": True} if conflict else {}),
        },
        event=EventType.MITIGATION_REFUSED,
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def record_unavailable(
    *,
    mitigation_id: UUID,
    code: str,
    reason: str,
    retry_at: datetime,
    now: datetime,
) -> Mitigation | None:
    """Not now: the provider named the time from which it may be asked again."""
    step = Step(
        mitigation_id=mitigation_id,
        columns={
            "last_heard_at": now,
            "refusal_code": code,
            "refusal_reason": reason[:MAX_REASON_KEPT],
            "retry_at": retry_at,
            "conflict": None,
        },
        told={"code": code, "retry_at": retry_at.isoformat()},
        event=EventType.MITIGATION_STATUS,
    )
    return advance(step, now=now)


@transaction.atomic(savepoint=False)
def record_forgotten(*, mitigation_id: UUID, now: datetime) -> Mitigation | None:
    """4.04: the provider does not hold it. If it is wanted it is asked again, else it has ended."""
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    columns: dict[str, Any] = {"last_heard_at": now}
    if mitigation.status != Status.PENDING:
        # A request that is being sent keeps its deadline even if the provider never received it.
        columns |= {"expires_at": None, "asked_at": now, "overdue_at": None}
    step = Step(
        mitigation_id=mitigation_id,
        trigger=Trigger.FORGOTTEN,
        columns=columns,
        told={"why": "forgotten"},
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return mitigation


@transaction.atomic(savepoint=False)
def record_superseded(
    *, mitigation_id: UUID, conflict: Mapping[str, Any], now: datetime
) -> Mitigation | None:
    """The provider replaced it by a newer request of ours with a common target.

    `conflict` has the mid that the provider named, if any.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    newer = {one.mid: one for one in queries.newer_overlapping(mitigation_id)}
    newer |= {one.mid: one for one in _named(mitigation, conflict)}
    replaced_by = replacement(mitigation, [newer[mid] for mid in sorted(newer)])
    step = Step(
        mitigation_id=mitigation_id,
        trigger=Trigger.PROVIDER_WITHDREW,
        columns={
            "last_heard_at": now,
            "wanted": Wanted.WITHDRAWN,
            "conflict": conflict,
            "replaced_by": replaced_by,
        },
        told={
            "why": "superseded",
            "by": [one["request"] for one in replaced_by["by"]],
            "is_less": bool(replaced_by["lost"]),
        },
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def _named(mitigation: Mitigation, conflict: Mapping[str, Any]) -> Iterable[Mitigation]:
    """The mitigation that the provider says it holds instead, even if its withdrawal was requested since."""
    mid = conflict.get("mid")
    if not isinstance(mid, int) or mid <= mitigation.mid:
        return ()
    named = Mitigation.objects.filter(subscription_id=mitigation.subscription_id, mid=mid)
    return named.select_related("request")


def record_identity_replaced(*, mitigation_id: UUID, now: datetime) -> Mitigation | None:
    """The provider knows another client by our cuid: there is a new one, and its owner is told."""
    step = Step(
        mitigation_id=mitigation_id,
        columns={"last_heard_at": now},
        told={"why": "identity"},
        event=EventType.MITIGATION_STATUS,
    )
    return advance(step, now=now)


def record_withdrawal_confirmed(*, mitigation_id: UUID, now: datetime) -> Mitigation | None:
    """2.02: the provider was told to stop; it may filter a little longer."""
    step = Step(
        mitigation_id=mitigation_id,
        columns={"last_heard_at": now, "withdrawal_confirmed_at": now},
        told={"told": True},
        event=EventType.MITIGATION_STATUS,
    )
    return advance(step, now=now)


@transaction.atomic(savepoint=False)
def record_let_go(*, mitigation_id: UUID, now: datetime) -> bool:
    """Note one more try to end a mitigation that the provider keeps after confirming its withdrawal; False: do not try.

    Saved before the PUT leaves, so that the number of tries is bounded whatever the answer is.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_let_go_given_up or not mitigation.is_still_held:
        return False
    tries = mitigation.let_go_tries + 1
    is_last = tries == MAX_LET_GO_TRIES
    step = Step(
        mitigation_id=mitigation_id,
        columns={"let_go_at": now, "let_go_tries": tries},
        told={"why": "still held", **({"tries": tries} if is_last else {})},
        event=EventType.MITIGATION_STATUS if tries == 1 or is_last else None,
    )
    apply(mitigation, step, now=now)
    return True


@transaction.atomic(savepoint=False)
def record_end_in_loop(*, mitigation_id: UUID, gateways: str, now: datetime) -> None:
    """A withdrawal went round between gateways. It is not given up, since somebody may go on filtering."""
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return
    gateways = gateways[:MAX_REASON_KEPT]
    is_known = (mitigation.refusal_code, mitigation.refusal_reason) == (LOOP, gateways)
    step = Step(
        mitigation_id=mitigation_id,
        columns={
            "last_heard_at": now,
            "refusal_code": LOOP,
            "refusal_reason": gateways,
            "retry_at": now + END_AGAIN_AFTER,
        },
        told={"code": LOOP, "reason": gateways[:MAX_REASON_TOLD]},
        event=None if is_known else EventType.MITIGATION_REFUSED,
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)


def mark_overdue(*, now: datetime) -> int:
    """Mark the mitigations nobody confirmed within their organization's patience; how many."""
    # Patience differs per organization, so the database compares each row with its own.
    pending = Mitigation.objects.filter(
        status=Status.PENDING, overdue_at__isnull=True, wanted=Wanted.ACTIVE, asked_at__lt=now
    ).values_list("pk", "asked_at", "organization__patience_s")[:MAX_SWEPT]
    overdue = [
        pk
        for pk, asked_at, patience_s in pending
        if asked_at + timedelta(seconds=patience_s) <= now
    ]
    return count_done(partial(_still_pending, now=now), overdue)


@transaction.atomic(savepoint=False)
def _still_pending(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.status != Status.PENDING or mitigation.overdue_at is not None:
        return False
    apply(mitigation, Step(mitigation_id=mitigation_id, columns={"overdue_at": now}), now=now)
    settle(mitigation.request, now=now)
    return True


def mark_due_again(*, now: datetime) -> int:
    """Ask again, where the time has come, who said no: while nobody else helps, or to hold a plan; how many."""
    due = Mitigation.objects.filter(
        Q(request__has_gap=True) | Q(request__kind=RequestKind.STANDBY),
        _may_be_asked(now),
        status__in=SET_BACK,
        wanted=Wanted.ACTIVE,
    ).exclude(request__kind=RequestKind.DRILL)
    return count_done(
        partial(_due_again, now=now), list(due.values_list("pk", flat=True)[:MAX_SWEPT])
    )


def _may_be_asked(now: datetime) -> Q:
    """Its time has come; or, of one that never reached the provider, how that is reached was changed since."""
    is_changed = Q(subscription__changed_at__gt=F("ended_at")) | Q(
        subscription__provider__changed_at__gt=F("ended_at")
    )
    return Q(retry_at__lte=now) | Q(is_changed, retry_at=None, refusal_code=LOOP)


@transaction.atomic(savepoint=False)
def _due_again(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    is_due = Mitigation.objects.filter(_may_be_asked(now), pk=mitigation_id).exists()
    is_wanted = mitigation.wanted == Wanted.ACTIVE and mitigation.status in SET_BACK
    if not (is_due and is_wanted and is_asked_again(mitigation, legs_of(mitigation.request))):
        return False
    step = Step(
        mitigation_id=mitigation_id,
        trigger=Trigger.TURN_CAME_AGAIN,
        columns={"asked_at": now, "overdue_at": None, "retry_at": None},
        told={"why": "turn"},
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    wake_on_commit(mitigation.subscription_id)
    return True


def mark_expired(*, now: datetime) -> int:
    """End the mitigations that outlived their granted lifetime, or ask again for those that renew; return how many.

    A provider that is winding down reports the end itself. The lifetime decides only after the longest time that RFC 9132
    section 4.4.4 allows has passed without a report.
    """
    since = now - WIND_DOWN_AT_MOST
    winds_down = Q(status=Status.TERMINATING) & (
        Q(withdrawal_confirmed_at__gt=since)
        | Q(withdrawal_confirmed_at=None, dots_status=WINDING_DOWN, reported_at__gt=since)
    )
    due = Mitigation.objects.filter(status__in=LIVE, expires_at__lte=now).exclude(winds_down)
    return count_done(
        partial(_outlived, now=now), list(due.values_list("pk", flat=True)[:MAX_SWEPT])
    )


@transaction.atomic(savepoint=False)
def _outlived(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over or mitigation.expires_at is None or mitigation.expires_at > now:
        return False
    until = winds_down_until(mitigation)
    if until is not None and until > now:
        return False
    renews = mitigation.request.auto_renew and mitigation.wanted == Wanted.ACTIVE
    columns = {"expires_at": None, "asked_at": now, "overdue_at": None} if renews else {}
    step = Step(
        mitigation_id=mitigation_id,
        trigger=Trigger.OUTLIVED if renews else Trigger.LIFETIME_OVER,
        columns=columns,
        told={"why": "lifetime over"},
    )
    apply(mitigation, step, now=now)
    settle(mitigation.request, now=now)
    return True
