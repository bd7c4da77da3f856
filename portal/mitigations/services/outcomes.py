"""Record the outcome of each message of the signal worker once, under the lock of its request."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import transaction

from portal.core.json_value import write_json
from portal.events.models import EventType
from portal.events.queries import of_mitigation
from portal.mitigations import queries
from portal.mitigations.models import Mitigation, ProviderConflict, Wanted
from portal.mitigations.release import MAX_RELEASE_TRIES
from portal.mitigations.replacement import replacement
from portal.mitigations.services.advance import advance, settle
from portal.mitigations.services.locks import lock_mitigation
from portal.mitigations.services.mitigation_columns import MitigationColumns
from portal.mitigations.services.reports import lifetime_end
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import LOOP, Status, Trigger

MAX_REASON_SAVED: Final = 500
MAX_REASON_IN_EVENT: Final = 100
"""Characters of a reason in an event."""
JUST_BEFORE: Final = timedelta(microseconds=1)
END_AGAIN_AFTER: Final = timedelta(seconds=30)
"""When to repeat a withdrawal that looped between gateways."""


@transaction.atomic(savepoint=False)
def record_sent(*, mitigation_id: UUID, now: datetime) -> None:
    """The first copy was sent: one event, no matter which worker writes it."""
    _append_sent(lock_mitigation(mitigation_id), now)


def _append_sent(mitigation: Mitigation, sent_at: datetime) -> None:
    if not of_mitigation(mitigation.pk, EventType.MITIGATION_SENT).exists():
        transition = Transition(mitigation_id=mitigation.pk, event=EventType.MITIGATION_SENT)
        apply(mitigation, transition, now=sent_at)


@transaction.atomic(savepoint=False)
def record_confirmed(
    *,
    mitigation_id: UUID,
    lifetime_s: int | None,
    now: datetime,
    asked_at: datetime,
    extended_at: datetime | None = None,
    conflict: ProviderConflict | None = None,
    sent_at: datetime | None = None,
    sends: int = 0,
) -> Mitigation | None:
    """2.01 or 2.04: the provider holds it for `lifetime_s` from now.

    `asked_at`: when the worker started that PUT. `extended_at`: the last extension that the PUT
    includes. `sent_at`: when its first copy was sent, if that was not recorded. `sends`: datagrams
    sent that were not counted yet.
    """
    columns: MitigationColumns = {
        "last_heard_at": now,
        "overdue_at": None,
        "retry_at": None,
        "refusal_code": "",
        "refusal_reason": "",
        "conflict": conflict,
        "confirmed_at": now,
    }
    mitigation = lock_mitigation(mitigation_id)
    if sent_at is not None:
        _append_sent(mitigation, sent_at)
    if mitigation.is_over:
        return None
    columns["refreshed_at"] = refreshed(mitigation, asked_at, extended_at)
    if sends:
        columns["sends"] = mitigation.sends + sends
        columns["last_sent_at"] = max(asked_at, mitigation.last_sent_at or asked_at)
    if mitigation.confirmed_at:
        columns["confirmed_at"] = mitigation.confirmed_at
    if lifetime_s is not None:
        columns["expires_at"] = lifetime_end(lifetime_s, now)
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=Trigger.ACCEPTED if mitigation.request.is_immediate else Trigger.HELD,
        columns=columns,
        event_data={} if lifetime_s is None else {"lifetime": lifetime_s},
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def refreshed(mitigation: Mitigation, at: datetime, extended_at: datetime | None) -> datetime:
    """`at`, or just before an extension that the PUT did not include, so that a refresh is still
    due.

    Comparing times is not enough: an extension commits a moment after its timestamp, and a PUT may
    start in between.
    """
    extension_asked_at = mitigation.refresh_asked_at
    return (
        at
        if extension_asked_at in (None, extended_at)
        else min(at, extension_asked_at - JUST_BEFORE)
    )


@transaction.atomic(savepoint=False)
def record_refused(
    *,
    mitigation_id: UUID,
    code: str,
    reason: str,
    now: datetime,
    extended_at: datetime | None = None,
    conflict: ProviderConflict | None = None,
    retry_after_s: int | None = None,
) -> Mitigation | None:
    """A definite 4.xx. `retry_after_s`: the provider's own time before it may be asked again
    (SC-046).

    Or 5.08: a retry is pointless until a person acts or the settings change (SC-107).
    """
    own_time: MitigationColumns = {"retry_at": None} if code == LOOP else {}
    if retry_after_s is not None:
        own_time = {"retry_at": now + timedelta(seconds=retry_after_s)}
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=Trigger.PROVIDER_REFUSED,
        columns={
            **own_time,
            "last_heard_at": now,
            "refusal_code": code,
            "refusal_reason": reason[:MAX_REASON_SAVED],
            "conflict": conflict,
            # A refused refresh is not repeated immediately; the next one is due by time.
            "refreshed_at": refreshed(mitigation, now, extended_at),
        },
        event_data={
            "code": code,
            "reason": reason[:MAX_REASON_IN_EVENT],
            **({"conflict": _in_event(conflict)} if conflict else {}),
        },
        event=EventType.MITIGATION_REFUSED,
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def _in_event(conflict: ProviderConflict) -> object:
    """The refusal's fields in the event, as JSON."""
    return write_json(ProviderConflict(cause=conflict.cause, mid=conflict.mid))


def record_unavailable(
    *,
    mitigation_id: UUID,
    code: str,
    reason: str,
    retry_at: datetime,
    now: datetime,
) -> Mitigation | None:
    """Temporarily unavailable: the provider named the time from which it may be asked again."""
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={
            "last_heard_at": now,
            "refusal_code": code,
            "refusal_reason": reason[:MAX_REASON_SAVED],
            "retry_at": retry_at,
            "conflict": None,
        },
        event_data={"code": code, "retry_at": retry_at.isoformat()},
        event=EventType.MITIGATION_STATUS,
    )
    return advance(transition, now=now)


@transaction.atomic(savepoint=False)
def record_forgotten(
    *, mitigation_id: UUID, now: datetime, asked_at: datetime | None = None
) -> Mitigation | None:
    """4.04: the provider does not hold it. If it is still wanted it is requested again, else it has
    ended.

    `asked_at`: when the GET was sent that this answers; None: `now`.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over or _may_be_held_since(mitigation, asked_at or now):
        return None
    columns: MitigationColumns = {"last_heard_at": now}
    if mitigation.status != Status.PENDING:
        # A request that is being sent keeps its deadline even if the provider never received it.
        columns |= {"expires_at": None, "asked_at": now, "overdue_at": None}
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=Trigger.FORGOTTEN,
        columns=columns,
        event_data={"why": "forgotten"},
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def _may_be_held_since(mitigation: Mitigation, asked_at: datetime) -> bool:
    """A PUT that was sent after this GET may have started the mitigation again: only the DELETE
    ends it.
    """
    return (
        mitigation.status == Status.TERMINATING
        and mitigation.withdrawal_confirmed_at is None
        and mitigation.withdrawal_asked_at is not None
        and asked_at < mitigation.withdrawal_asked_at
    )


@transaction.atomic(savepoint=False)
def record_superseded(
    *, mitigation_id: UUID, conflict: ProviderConflict, now: datetime
) -> Mitigation | None:
    """The provider replaced it with a newer request of ours that shares a target.

    `conflict` has the mid that the provider named, if any.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return None
    newer = {one.mid: one for one in queries.newer_overlapping(mitigation_id)}
    newer |= {one.mid: one for one in _named(mitigation, conflict)}
    replaced_by = replacement(mitigation, [newer[mid] for mid in sorted(newer)])
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=Trigger.PROVIDER_WITHDREW,
        columns={
            "last_heard_at": now,
            "wanted": Wanted.WITHDRAWN,
            "conflict": conflict,
            "replaced_by": replaced_by,
        },
        event_data={
            "why": "superseded",
            "by": [str(one.request) for one in replaced_by.by],
            "is_less": bool(replaced_by.lost),
        },
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return mitigation


def _named(mitigation: Mitigation, conflict: ProviderConflict) -> Iterable[Mitigation]:
    """The mitigation that the provider says it holds instead, even if it is being withdrawn
    by now.
    """
    mid = conflict.mid
    if mid is None or mid <= mitigation.mid:
        return ()
    named = Mitigation.objects.filter(subscription_id=mitigation.subscription_id, mid=mid)
    return named.select_related("request")


def record_identity_replaced(*, mitigation_id: UUID, now: datetime) -> Mitigation | None:
    """The provider knows another client by our cuid. The portal has a new cuid, and an event says
    so.
    """
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={"last_heard_at": now},
        event_data={"why": "identity"},
        event=EventType.MITIGATION_STATUS,
    )
    return advance(transition, now=now)


def record_withdrawal_confirmed(*, mitigation_id: UUID, now: datetime) -> Mitigation | None:
    """2.02: the provider confirmed the withdrawal. It may filter a little longer."""
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={"last_heard_at": now, "withdrawal_confirmed_at": now},
        event_data={"told": True},
        event=EventType.MITIGATION_STATUS,
    )
    return advance(transition, now=now)


@transaction.atomic(savepoint=False)
def record_release(*, mitigation_id: UUID, now: datetime) -> bool:
    """Record another attempt to end a mitigation that the provider holds after confirming its
    withdrawal; False if none is left.

    Saved before the PUT is sent, so that the number of attempts is bounded whatever the answer is.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_release_given_up or not mitigation.is_still_held:
        return False
    tries = mitigation.release_tries + 1
    is_last = tries == MAX_RELEASE_TRIES
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={"release_tried_at": now, "release_tries": tries},
        event_data={"why": "still_held", **({"tries": tries} if is_last else {})},
        event=EventType.MITIGATION_STATUS if tries == 1 or is_last else None,
    )
    apply(mitigation, transition, now=now)
    return True


@transaction.atomic(savepoint=False)
def record_end_in_loop(*, mitigation_id: UUID, gateways: str, now: datetime) -> None:
    """A withdrawal looped between gateways.

    It is retried, since the provider may still be filtering.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return
    gateways = gateways[:MAX_REASON_SAVED]
    is_known = (mitigation.refusal_code, mitigation.refusal_reason) == (LOOP, gateways)
    transition = Transition(
        mitigation_id=mitigation_id,
        columns={
            "last_heard_at": now,
            "refusal_code": LOOP,
            "refusal_reason": gateways,
            "retry_at": now + END_AGAIN_AFTER,
        },
        event_data={"code": LOOP, "reason": gateways[:MAX_REASON_IN_EVENT]},
        event=None if is_known else EventType.MITIGATION_REFUSED,
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
