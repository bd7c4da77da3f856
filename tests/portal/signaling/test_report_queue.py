"""Which report is saved next, whatever providers send and however slow the database is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.mitigations.models import ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import BY_DOTS_STATUS
from portal.mitigations.validation import INDEFINITE
from portal.signaling.reports.report_queue import (
    DECIDE_AGAIN_S,
    STATUS_BURST,
    STATUS_EVERY_S,
    ReportQueue,
    Unsaved,
    WaitingReport,
)
from portal.signaling.reports.rotation import Rotation

NOW = timezone.now()
IDS = [uuid4() for _ in range(40)]
MAX_WAITING = 3
ROUNDING = 1e-6

Queue = ReportQueue[WaitingReport]


def said(status: int | None, counted: int = 1) -> ProviderReport:
    return ProviderReport(
        dots_status=status, trigger=BY_DOTS_STATUS.get(status or 0), bytes_dropped=counted
    )


def waiting(
    report: ProviderReport,
    mitigation: UUID = IDS[0],
    subscription: UUID = IDS[-1],
    organization: UUID = IDS[-2],
) -> WaitingReport:
    return WaitingReport(
        mitigation_id=mitigation,
        subscription_id=subscription,
        organization_id=organization,
        report=report,
        at=NOW,
    )


def known(queue: Queue, status: int, mitigation: UUID = IDS[0]) -> None:
    """Save a first report, so that the queue knows the mitigation's status."""
    queue.put(waiting(said(status), mitigation), now=0.0)
    [report] = queue.take_numbers(1)
    queue.done(report, now=0.0)


class Saving:
    """Drives a queue as the ledger does, and notes what is saved of which mitigation."""

    def __init__(self) -> None:
        self.queue: Queue = ReportQueue(max_waiting=MAX_WAITING, max_known=2)
        self.now = 0.0
        self.being_saved: list[WaitingReport] = []
        self.sent: dict[UUID, ProviderReport] = {}
        "the newest of each mitigation that was not dropped"
        self.saved: defaultdict[UUID, list[ProviderReport]] = defaultdict(list)
        self.changed_at: defaultdict[UUID, list[float]] = defaultdict(list)
        self.number = 0

    def arrive(self, which: int, status: int | None) -> None:
        self.number += 1
        mitigation, subscription = IDS[which], IDS[20 + which % 2]
        report = said(status, self.number)
        new = waiting(report, mitigation, subscription, IDS[30 + which % 2])
        if self.queue.put(new, now=self.now) is Unsaved.FULL:
            return
        older = self.sent.get(mitigation)
        if status is None and older is not None:
            report = replace(report, dots_status=older.dots_status, trigger=older.trigger)
        self.sent[mitigation] = report

    def take(self, limit: int) -> None:
        self._took(self.queue.take_numbers(limit))

    def take_change(self) -> None:
        if report := self.queue.take_change(self.now):
            self.changed_at[report.mitigation_id].append(self.now)
            self._took([report])

    def _took(self, reports: list[WaitingReport]) -> None:
        self.being_saved += reports
        ids = [one.mitigation_id for one in self.being_saved]
        assert len(ids) == len(set(ids)), "two reports of one mitigation are being saved"

    def end(self, which: int, how: str) -> None:
        if not self.being_saved:
            return
        report = self.being_saved.pop(which % len(self.being_saved))
        if how == "done":
            self.saved[report.mitigation_id].append(report.report)
            self.queue.done(report, now=self.now)
        elif how in ("decide", "locked"):
            self.queue.decide(report, now=self.now, is_locked=how == "locked")
        else:
            self.queue.put_back(report, now=self.now)

    def drain(self) -> None:
        for _ in range(200):
            while self.being_saved:
                self.end(0, "done")
            self.take(100)
            self.take_change()
            self.now += STATUS_EVERY_S / 4


STATUSES = st.sampled_from([None, 1, 2, 2, 2, 7, 99])
ACTS = st.one_of(
    st.tuples(st.just("arrive"), st.integers(0, 9), STATUSES),
    st.tuples(st.just("take"), st.integers(1, 5)),
    st.tuples(st.just("take_change")),
    st.tuples(
        st.just("end"), st.integers(0, 9), st.sampled_from(["done", "decide", "locked", "back"])
    ),
    st.tuples(st.just("pass"), st.floats(0.0, 1.5)),
)


@given(st.lists(ACTS, max_size=80))
def test_the_newest_report_of_each_mitigation_is_saved_last_whatever_happens(
    acts: list[tuple[object, ...]],
) -> None:
    saving = Saving()
    for name, *arguments in acts:
        if name == "pass":
            saving.now += arguments[0]  # type: ignore[operator]
        else:
            getattr(saving, str(name))(*arguments)
        for index in (20, 21):
            unsaved = {
                one.mitigation_id for one in saving.queue if one.subscription_id == IDS[index]
            }
            assert len(unsaved) <= MAX_WAITING

    saving.drain()

    assert list(saving.queue) == []
    for mitigation, sent in saving.sent.items():
        reports = saving.saved[mitigation]
        # A report without a status leaves that of the row.
        statuses = [one.dots_status for one in reports if one.dots_status is not None]
        assert statuses[-1:] == [one for one in [sent.dots_status] if one is not None]
        assert reports[-1].bytes_dropped == sent.bytes_dropped
    for reports in saving.saved.values():
        numbers = [report.bytes_dropped or 0 for report in reports]
        assert numbers == sorted(numbers), "one overtook another"
    for times in saving.changed_at.values():
        for begin, end in combinations(range(len(times)), 2):
            passed_s = times[end] - times[begin]
            assert end - begin + 1 <= STATUS_BURST + passed_s / STATUS_EVERY_S + ROUNDING


def test_after_a_burst_a_flapping_provider_gets_one_status_a_second_and_the_last_one_wins() -> None:
    queue: Queue = ReportQueue()
    known(queue, 2)
    changes: list[tuple[float, int | None]] = []
    outcomes: list[Unsaved | None] = []

    for tick in range(301):
        now = 10 + tick / 100
        status = 3 if tick % 2 == 0 else 4
        outcomes.append(queue.put(waiting(said(status, tick)), now=now))
        if report := queue.take_change(now):
            changes.append((now, report.report.dots_status))
            queue.done(report, now=now)

    # The status that is saved already needs no change, so the other one follows.
    assert changes == [(10.0, 3), (10.01, 4), (10.02, 3), (11.01, 4), (12.0, 3)]
    # One half of the others was lost; the other half had that status.
    assert outcomes.count(Unsaved.FLAPPING) > 140


def test_a_quiet_time_allows_no_more_than_one_burst() -> None:
    queue: Queue = ReportQueue()
    known(queue, 2)
    saved_at: list[float] = []
    for begin in (1000.0, 5000.0):
        for status in (3, 4) * 5:
            queue.put(waiting(said(status)), now=begin)
            if report := queue.take_change(begin):
                saved_at.append(begin)
                queue.done(report, now=begin)

    assert saved_at == [1000.0] * STATUS_BURST + [5000.0] * STATUS_BURST


def test_a_report_of_a_locked_request_waits_although_the_burst_is_not_used_up() -> None:
    """Otherwise its mitigation would use the deciding threads three times in a row."""
    queue: Queue = ReportQueue()
    known(queue, 2)
    queue.put(waiting(said(3, 1)), now=1.0)
    report = queue.take_change(1.0)
    assert report is not None
    queue.decide(report, now=1.3, is_locked=True)
    queue.put(waiting(said(3, 2)), now=1.4)

    assert queue.next_change_at == 1.3 + DECIDE_AGAIN_S
    assert queue.take_change(1.3 + DECIDE_AGAIN_S - 0.01) is None
    again = queue.take_change(1.3 + DECIDE_AGAIN_S)
    assert again is not None
    assert again.report.bytes_dropped == 2


def test_a_status_that_came_back_needs_no_change() -> None:
    queue: Queue = ReportQueue()
    known(queue, 2)
    for status in (3, 4, 3):
        queue.put(waiting(said(status)), now=1.0)
        change = queue.take_change(1.0)
        assert change is not None
        queue.done(change, now=1.0)
    queue.put(waiting(said(4)), now=1.1)
    assert queue.take_change(1.2) is None

    queue.put(waiting(said(3, 9)), now=1.3)

    [numbers] = queue.take_numbers(10)
    assert numbers.report.bytes_dropped == 9
    queue.done(numbers, now=1.3)
    assert queue.take_change(5.0) is None


def test_a_report_without_a_status_does_not_replace_the_status_that_waits() -> None:
    queue: Queue = ReportQueue()
    known(queue, 2)
    queue.put(waiting(said(3, 1)), now=1.0)

    assert queue.put(waiting(said(None, 2)), now=1.0) is Unsaved.REPLACED

    change = queue.take_change(1.0)
    assert change is not None
    assert (change.report.dots_status, change.report.bytes_dropped) == (3, 2)


def test_amounts_that_a_newer_report_does_not_name_are_kept() -> None:
    queue: Queue = ReportQueue()
    queue.put(waiting(replace(said(2, 1), pps_dropped=5)), now=0.0)

    queue.put(waiting(said(2, 2)), now=0.0)

    [report] = queue.take_numbers(10)
    assert (report.report.bytes_dropped, report.report.pps_dropped) == (2, 5)


@pytest.mark.parametrize(
    ("lifetime_s", "left_s"), [(100, 40), (59, 0), (0, 0), (INDEFINITE, INDEFINITE), (None, None)]
)
def test_times_of_an_older_report_are_counted_from_its_own_arrival(
    lifetime_s: int | None, left_s: int | None
) -> None:
    queue: Queue = ReportQueue()
    conflict = ProviderConflict(cause=1, retry_after=90)
    older = waiting(replace(said(2), lifetime_s=lifetime_s, conflict=conflict))
    newer = waiting(said(2, 2))
    newer.at = older.at + timedelta(seconds=60)
    queue.put(older, now=0.0)

    queue.put(newer, now=60.0)

    [taken] = queue.take_numbers(10)
    assert taken.at == newer.at
    assert taken.report.lifetime_s == left_s
    assert taken.report.conflict == replace(conflict, retry_after=30)


def test_a_step_back_of_the_clock_makes_no_report_older_than_the_one_before() -> None:
    queue: Queue = ReportQueue()
    for step_s, expected_s in ((0.0, 0.0), (-0.5, 0.0), (1.0, 1.0), (-3600.0, -3600.0)):
        report = waiting(said(2))
        report.at = NOW + timedelta(seconds=step_s)
        queue.put(report, now=0.0)
        [taken] = queue.take_numbers(1)
        assert taken.at == NOW + timedelta(seconds=expected_s)
        queue.done(taken, now=0.0)


@pytest.mark.parametrize("back", ["waits", "being saved"])
def test_a_newer_report_of_a_locked_row_keeps_the_number_of_tries(back: str) -> None:
    """Otherwise a report each second would never let the row be waited for."""
    queue: Queue = ReportQueue()
    first = waiting(said(2))
    queue.put(first, now=0.0)
    queue.take_numbers(1)
    first.tries = 5
    if back == "waits":
        queue.put_back(first, now=0.0)
        queue.put(waiting(said(2, 2)), now=0.0)
    else:
        queue.put(waiting(said(2, 2)), now=0.0)
        queue.put_back(first, now=0.0)

    [taken] = queue.take_numbers(1)
    assert (taken.tries, taken.report.bytes_dropped) == (5, 2)


def test_an_organization_whose_report_is_being_decided_keeps_its_turn() -> None:
    queue: Queue = ReportQueue()
    for mitigation, organization in ((IDS[0], IDS[1]), (IDS[2], IDS[1]), (IDS[3], IDS[4])):
        report = waiting(said(2), mitigation, organization=organization)
        report.must_decide = True
        queue.put(report, now=0.0)

    first = queue.take_change(1.0)
    second = queue.take_change(1.0, busy={IDS[1]})

    assert first is not None
    assert second is not None
    assert (first.mitigation_id, second.mitigation_id) == (IDS[0], IDS[3])
    assert queue.take_change(1.0, busy={IDS[1]}) is None
    third = queue.take_change(1.0)
    assert third is not None
    assert third.mitigation_id == IDS[2]


@pytest.mark.parametrize("is_change", [False, True])
def test_organizations_and_their_subscriptions_take_turns(*, is_change: bool) -> None:
    """One floods on one of its two subscriptions; another one has a single report."""
    queue: Queue = ReportQueue()
    flood = [uuid4() for _ in range(100)]
    healthy, neighbour = uuid4(), uuid4()
    where = dict.fromkeys(flood, (IDS[1], IDS[0]))
    where |= {healthy: (IDS[2], IDS[0]), neighbour: (IDS[3], IDS[4])}
    for status in (2, 3) if is_change else (2,):
        for mitigation, (subscription, organization) in where.items():
            queue.put(waiting(said(status), mitigation, subscription, organization), now=0.0)
        if status == 2 and is_change:
            for report in queue.take_numbers(1000):
                queue.done(report, now=0.0)

    if is_change:
        taken = [one for one in (queue.take_change(1.0) for _ in range(4)) if one is not None]
    else:
        taken = queue.take_numbers(4)

    ids = [one.mitigation_id for one in taken]
    assert len(ids) == 4
    assert {healthy, neighbour} <= set(ids)


def test_one_subscription_cannot_fill_the_queue() -> None:
    queue: Queue = ReportQueue(max_waiting=3)
    mitigations = [uuid4() for _ in range(5)]

    outcomes = [queue.put(waiting(said(2), one), now=0.0) for one in mitigations]

    assert outcomes == [None, None, None, Unsaved.FULL, Unsaved.FULL]
    assert len(queue) == 3
    assert queue.put(waiting(said(2, 7), mitigations[0]), now=0.0) is Unsaved.REPLACED
    other = waiting(said(2), uuid4(), subscription=uuid4())
    assert queue.put(other, now=0.0) is None


def test_only_so_many_mitigations_are_remembered_and_none_with_an_unsaved_report() -> None:
    queue: Queue = ReportQueue(max_known=10)
    unsaved = uuid4()
    queue.put(waiting(said(2), unsaved), now=0.0)
    [busy] = queue.take_numbers(1)

    for _ in range(100):
        known(queue, 2, uuid4())

    assert len(queue._lines) <= 11
    assert queue.unsaved(unsaved) is busy


def test_a_line_of_turns_is_first_in_first_out_within_a_subscription() -> None:
    turns: Rotation[int] = Rotation()
    for item, organization, subscription in [
        (1, "a", 1), (2, "a", 1), (3, "a", 2), (4, "b", 3), (5, "b", 3),
    ]:  # fmt: skip
        turns.put(item, organization, subscription)

    assert [turns.pop() for _ in range(5)] == [1, 4, 3, 5, 2]
    assert not turns
    with pytest.raises(KeyError):
        turns.pop()
