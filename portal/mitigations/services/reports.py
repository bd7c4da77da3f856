"""What providers report about a mitigation they hold, in a notification or in the answer to a
poll: decide about one report under the locks of its request. `numbers` saves those that need no
decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast
from uuid import UUID

from django.db import transaction

from portal.events.data import Counters, EventData
from portal.events.log import append_event
from portal.events.models import EventType
from portal.mitigations.models import (
    MAX_COUNTER,
    REPORTS_MISSING_AFTER,
    Mitigation,
    ProviderConflict,
    Wanted,
)
from portal.mitigations.services.advance import settle
from portal.mitigations.services.locks import lock_mitigation
from portal.mitigations.services.mitigation_columns import MitigationColumns
from portal.mitigations.services.transitions import Transition, apply
from portal.mitigations.states import (
    CONFIRMED,
    KNOWN_REPORTS,
    SET_BACK,
    STALE_AFTER,
    Status,
    Trigger,
    next_status,
)
from portal.mitigations.validation import INDEFINITE

LIFETIME_TOLERANCE: Final = timedelta(seconds=3)
"""Lifetimes have whole seconds and take time to arrive: a difference of the end up to this is no
change.
"""
WIND_DOWN_PATIENCE: Final = timedelta(seconds=30)
"""How long after the withdrawal a provider may still report that it filters."""


class KnownNumbers(Protocol):
    """What a report that changes only numbers is compared with; a `Mitigation` has all of it."""

    status: Any
    wanted: Any
    asked_at: datetime
    ended_at: datetime | None
    dots_status: int | None
    reported_at: datetime | None
    confirmed_at: datetime | None
    last_heard_at: datetime | None
    expires_at: datetime | None
    mitigation_start: datetime | None
    counters_at: datetime | None
    counters_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReport:
    """One report of a provider about one mitigation, in the portal's terms."""

    dots_status: int | None
    trigger: Trigger | None
    "None: no status, or an unknown one"
    lifetime_s: int | None = None
    "remaining; -1 without end"
    mitigation_start: datetime | None = None
    bytes_dropped: int | None = None
    pkts_dropped: int | None = None
    bps_dropped: int | None = None
    "BYTES per second"
    pps_dropped: int | None = None
    conflict: ProviderConflict | None = None

    @property
    def counters(self) -> Counters:
        counters = {
            "bytes_dropped": self.bytes_dropped,
            "pkts_dropped": self.pkts_dropped,
            "bps_dropped": self.bps_dropped,
            "pps_dropped": self.pps_dropped,
        }
        return cast(
            Counters,
            {
                name: min(value, MAX_COUNTER)
                for name, value in counters.items()
                if value is not None
            },
        )


@transaction.atomic(savepoint=False)
def record_report(
    *,
    mitigation_id: UUID,
    report: ProviderReport,
    now: datetime,
    clock: Callable[[], datetime] | None = None,
) -> None:
    """Record a notification or the answer to a poll, which arrived at `now`. A report after the end
    changes nothing.

    `clock`: tells the present time once the locks are held, if the report had to wait. Newer
    decisions that were saved meanwhile stay.
    """
    mitigation = lock_mitigation(mitigation_id)
    if mitigation.is_over:
        return
    arrived_at, now = now, clock() if clock else now
    counted = numbers_event(mitigation, report, arrived_at, now)
    columns = columns_of(mitigation, report, arrived_at, now, has_news=bool(counted))
    transition = Transition(mitigation_id=mitigation_id, columns=columns)
    if not is_outdated(mitigation, arrived_at, now):
        transition = _decided(mitigation, report, columns, arrived_at, now)
    apply(mitigation, transition, now=arrived_at)
    if counted:
        _append_numbers(mitigation, counted, arrived_at)
    settle(mitigation.request, now=now)


def _decided(
    mitigation: Mitigation,
    report: ProviderReport,
    columns: MitigationColumns,
    at: datetime,
    now: datetime,
) -> Transition:
    """What a report that arrived at `at` changes, with the `columns` that every report writes."""
    if report.conflict is not None and not is_later(mitigation.last_heard_at, at, now):
        columns["conflict"] = report.conflict
        if report.conflict.retry_after is not None:
            columns["retry_at"] = at + timedelta(seconds=report.conflict.retry_after)
    if _goes_on_after_all(mitigation, report, at):
        # A late copy of the request arrived after the DELETE and started it again: repeat the
        # withdrawal.
        columns["withdrawal_confirmed_at"] = None
    if mitigation.confirmed_at is None:
        # The 2.01 was lost, but the report arrived and means the same.
        columns |= {"confirmed_at": at, "overdue_at": None}
    is_unknown_news = _is_unknown_news(mitigation, report)
    event_data = _began(mitigation, report)
    if is_unknown_news:
        event_data["unknown"] = report.dots_status
    return Transition(
        mitigation_id=mitigation.pk,
        trigger=report.trigger or _confirms(mitigation),
        columns=columns,
        event_data=event_data,
        event=EventType.MITIGATION_STATUS if is_unknown_news else None,
    )


def is_later(known: datetime | None, at: datetime, now: datetime) -> bool:
    """Whether a time in the row is after `at`. A time after `now` proves nothing: a clock was set
    back, or the clock of another machine is ahead.
    """
    return known is not None and at < known <= now


def is_outdated(mitigation: KnownNumbers, at: datetime, now: datetime) -> bool:
    """Whether a report that arrived at `at` is older than the row's status: since then the portal
    began to ask again, the mitigation was refused or withdrawn, or a later report was saved.

    An accepted refresh says nothing about the status, so it does not count.
    """
    known = [mitigation.asked_at, mitigation.ended_at, mitigation.reported_at]
    if mitigation.status in SET_BACK:
        known.append(mitigation.last_heard_at)  # another refusal
    return any(is_later(one, at, now) for one in known)


def _confirms(mitigation: Mitigation) -> Trigger | None:
    """Whether the report proves that the provider holds the request although the 2.01 was lost.
    True without a known status too.
    """
    if mitigation.status != Status.PENDING or mitigation.sent_at is None:
        return None
    return Trigger.ACCEPTED if mitigation.request.is_immediate else Trigger.HELD


def _is_unknown_news(mitigation: KnownNumbers, report: ProviderReport) -> bool:
    """Whether it now reports an unknown status number that it did not report before."""
    number = report.dots_status
    return number is not None and number not in KNOWN_REPORTS and number != mitigation.dots_status


def says_nothing_new(mitigation: Mitigation, report: ProviderReport, now: datetime) -> bool:
    """Whether a report repeats the row, with only the elapsed time taken from the lifetime."""
    return (
        report.dots_status == mitigation.dots_status
        and bool(report.counters) == (mitigation.counters_at is not None)
        and not numbers_event(mitigation, report, now, now)
        and report.mitigation_start in (None, mitigation.mitigation_start)
        and changes_numbers_only(mitigation, report, now, is_immediate=True)
        and _ends_as_known(mitigation, report, now)
    )


def _ends_as_known(mitigation: Mitigation, report: ProviderReport, now: datetime) -> bool:
    if report.lifetime_s is None:
        return True
    reported, known = lifetime_end(report.lifetime_s, now), mitigation.expires_at
    if reported is None or known is None:
        return reported is known
    return abs(reported - known) <= LIFETIME_TOLERANCE


def changes_numbers_only(
    mitigation: KnownNumbers, report: ProviderReport, now: datetime, *, is_immediate: bool
) -> bool:
    """Whether saving the report needs no decision: it changes no status, no conflict and no start
    of a plan, and the provider was heard recently.

    `is_immediate`: of its request. Of those, when the provider began decides nothing.
    """
    status = Status(mitigation.status)
    return (
        status in CONFIRMED
        and mitigation.wanted == Wanted.ACTIVE
        and mitigation.confirmed_at is not None
        and (report.trigger is None or next_status(status, report.trigger) == status)
        and report.conflict is None
        and not _is_unknown_news(mitigation, report)
        and (is_immediate or report.mitigation_start in (None, mitigation.mitigation_start))
        # A provider that was silent for long and now filters may make another provider unneeded.
        and mitigation.last_heard_at is not None
        and now - mitigation.last_heard_at < STALE_AFTER
    )


def columns_of(
    known: KnownNumbers, report: ProviderReport, at: datetime, now: datetime, *, has_news: bool
) -> MitigationColumns:
    """The columns that every report writes. `at`: when it arrived; what the row has from a later
    answer or report stays. `has_news`: it gets an event.
    """
    columns = MitigationColumns()
    is_current = not is_outdated(known, at, now)
    if not is_later(known.last_heard_at, at, now):
        columns |= {"last_heard_at": at, "unsaved_at": None}
        if is_current and report.lifetime_s is not None:
            columns["expires_at"] = lifetime_end(report.lifetime_s, at)
    if is_current and report.dots_status is not None:
        columns |= {"dots_status": report.dots_status, "reported_at": at}
    if is_current and report.mitigation_start is not None:
        columns["mitigation_start"] = report.mitigation_start
    counters = report.counters
    if counters and not is_later(known.counters_at, at, now):
        columns |= cast(MitigationColumns, counters)
        columns["counters_at"] = at
        if has_news:
            columns["counters_since"] = at
    return columns


def lifetime_end(lifetime_s: int, now: datetime) -> datetime | None:
    """When a lifetime in seconds ends; None for -1."""
    return None if lifetime_s == INDEFINITE else now + timedelta(seconds=lifetime_s)


def numbers_event(
    mitigation: KnownNumbers, report: ProviderReport, at: datetime, now: datetime
) -> EventData:
    """The data of a report's event, if it gets one. Equal numbers are news only after a silence,
    which would otherwise look like reports. `at`: when it arrived.
    """
    last, counters = mitigation.counters_at, report.counters
    if not counters or is_later(last, at, now):
        return {}
    is_after_silence = last is None or at - last > REPORTS_MISSING_AFTER
    has_changed = any(getattr(mitigation, name) != value for name, value in counters.items())
    if not (is_after_silence or has_changed):
        return {}
    return {**counters, **_held_until(mitigation)}


def _append_numbers(mitigation: Mitigation, counted: EventData, now: datetime) -> None:
    append_event(
        organization_id=mitigation.organization_id,
        type=EventType.MITIGATION_COUNTERS,
        at=now,
        mitigation=mitigation,
        data=counted,
    )


def _began(mitigation: Mitigation, report: ProviderReport) -> EventData:
    """When a provider activated a plan, possibly long before the portal learns of it."""
    start = report.mitigation_start
    if mitigation.request.is_immediate or start is None:
        return {}
    return {"mitigation_start": start.isoformat().replace("+00:00", "Z")}


def _held_until(mitigation: KnownNumbers) -> EventData:
    """Until when the counters of the previous event were reported again, if they were."""
    since, last = mitigation.counters_since, mitigation.counters_at
    if since is None or last is None or last <= since:
        return {}
    return {"held_until": last.isoformat().replace("+00:00", "Z")}


def _goes_on_after_all(mitigation: Mitigation, report: ProviderReport, now: datetime) -> bool:
    confirmed_at = mitigation.withdrawal_confirmed_at
    if confirmed_at is None or now - confirmed_at < WIND_DOWN_PATIENCE:
        return False
    # A withdrawn mitigation that is back in standby is ended with a short lifetime.
    return report.trigger not in (None, Trigger.WINDING_DOWN, Trigger.ENDED, Trigger.ARMED)
