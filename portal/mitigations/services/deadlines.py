"""Act on deadlines: mark overdue requests, retry what is due, and end expired lifetimes."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from portal.core.broadcast import wake_on_commit
from portal.core.sweeping import count_done
from portal.mitigations.failover import is_asked_again
from portal.mitigations.models import (
    Mitigation,
    RequestKind,
    Wanted,
)
from portal.mitigations.services.advance import settle
from portal.mitigations.services.locks import lock_mitigation, mitigations_of
from portal.mitigations.services.mitigation_columns import MitigationColumns
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import LIVE, LOOP, SET_BACK, WINDING_DOWN, Status, Trigger
from portal.mitigations.wind_down import WIND_DOWN_AT_MOST, winds_down_until

MAX_SWEPT: Final = 500
"""Maximum rows per sweep; the rest waits for the next one."""


def mark_overdue(*, now: datetime) -> int:
    """Mark the mitigations that no provider confirmed within the time their organization allows;
    return how many.
    """
    # The allowed time differs per organization, so the database compares each row with its own.
    pending = Mitigation.objects.filter(
        status=Status.PENDING, overdue_at__isnull=True, wanted=Wanted.ACTIVE, asked_at__lt=now
    ).values_list("pk", "asked_at", "organization__patience_s")[:MAX_SWEPT]
    overdue = [
        pk
        for pk, asked_at, patience_s in pending
        if asked_at + timedelta(seconds=patience_s) <= now
    ]
    return count_done(partial(_mark_if_overdue, now=now), overdue)


@transaction.atomic(savepoint=False)
def _mark_if_overdue(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.status != Status.PENDING or mitigation.overdue_at is not None:
        return False
    apply(mitigation, Transition(mitigation_id=mitigation_id, columns={"overdue_at": now}), now=now)
    settle(mitigation.request, now=now)
    return True


def mark_due_again(*, now: datetime) -> int:
    """Retry refused mitigations whose time has come, if no other provider helps or a plan must be
    held; return how many.
    """
    due = Mitigation.objects.filter(
        Q(request__has_uncovered_targets=True) | Q(request__kind=RequestKind.STANDBY),
        _may_be_asked(now),
        status__in=SET_BACK,
        wanted=Wanted.ACTIVE,
    ).exclude(Q(request__kind=RequestKind.DRILL) | Q(request__requested_until__lte=now))
    return count_done(
        partial(_retry_if_due, now=now), list(due.values_list("pk", flat=True)[:MAX_SWEPT])
    )


def _may_be_asked(now: datetime) -> Q:
    """Whether its retry time has come or, if it never reached the provider, its connection settings
    changed since.
    """
    is_changed = Q(subscription__changed_at__gt=F("ended_at")) | Q(
        subscription__provider__changed_at__gt=F("ended_at")
    )
    return Q(retry_at__lte=now) | Q(is_changed, retry_at=None, refusal_code=LOOP)


@transaction.atomic(savepoint=False)
def _retry_if_due(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    is_due = Mitigation.objects.filter(_may_be_asked(now), pk=mitigation_id).exists()
    is_wanted = mitigation.wanted == Wanted.ACTIVE and mitigation.status in SET_BACK
    if not (
        is_due and is_wanted and is_asked_again(mitigation, mitigations_of(mitigation.request))
    ):
        return False
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=Trigger.RETRY_DUE,
        columns={"asked_at": now, "overdue_at": None, "retry_at": None},
        event_data={"why": "turn"},
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    wake_on_commit(mitigation.subscription_id, mitigation_id)
    return True


def mark_expired(*, now: datetime) -> int:
    """End the mitigations that outlived their granted lifetime, or request those that renew again;
    return how many.

    After the requested lifetime, providers that hold nothing are no longer asked.

    A provider that is winding down reports the end itself. The lifetime decides only after the
    longest time that RFC 9132 section 4.4.4 allows has passed without a report.
    """
    since = now - WIND_DOWN_AT_MOST
    winds_down = Q(status=Status.TERMINATING) & (
        Q(withdrawal_confirmed_at__gt=since)
        | Q(withdrawal_confirmed_at=None, dots_status=WINDING_DOWN, reported_at__gt=since)
    )
    due = Mitigation.objects.filter(status__in=LIVE, expires_at__lte=now).exclude(winds_down)
    done = count_done(
        partial(_end_or_ask_again, now=now), list(due.values_list("pk", flat=True)[:MAX_SWEPT])
    )
    unanswered = Mitigation.objects.filter(
        wanted=Wanted.ACTIVE,
        status__in=(Status.PENDING, *SET_BACK),
        expires_at=None,
        request__requested_until__lte=now,
    )
    return done + count_done(
        partial(_stop_requesting, now=now),
        list(unanswered.values_list("pk", flat=True)[:MAX_SWEPT]),
    )


@transaction.atomic(savepoint=False)
def _stop_requesting(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    settle(mitigation.request, now=now)
    return mitigation.wanted == Wanted.WITHDRAWN


@transaction.atomic(savepoint=False)
def _end_or_ask_again(mitigation_id: UUID, now: datetime) -> bool:
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over or mitigation.expires_at is None or mitigation.expires_at > now:
        return False
    until = winds_down_until(mitigation)
    if until is not None and until > now:
        return False
    renews = mitigation.request.auto_renew and mitigation.wanted == Wanted.ACTIVE
    columns: MitigationColumns = (
        {"expires_at": None, "asked_at": now, "overdue_at": None} if renews else {}
    )
    transition = Transition(
        mitigation_id=mitigation_id,
        trigger=Trigger.RENEWAL_MISSED if renews else Trigger.LIFETIME_OVER,
        columns=columns,
        event_data={"why": "lifetime_over"},
    )
    apply(mitigation, transition, now=now)
    settle(mitigation.request, now=now)
    return True
