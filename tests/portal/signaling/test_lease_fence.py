from __future__ import annotations

import pytest

from portal.signaling import lease_fence
from portal.signaling.lease_fence import LEASE, MARGIN, OPEN_FOR_S, LeaseFence


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock: its last number is the time."""
    times = [100.0]
    monkeypatch.setattr(lease_fence, "boottime", lambda: times[-1])
    return times


def test_a_holder_is_silent_before_anybody_else_may_claim(at: list[float]) -> None:
    fence = LeaseFence(asked_at=100.0)
    assert fence.is_open()

    at.append(100.0 + OPEN_FOR_S)
    assert not fence.is_open()
    assert LEASE.total_seconds() - OPEN_FOR_S == MARGIN.total_seconds() >= 1


def test_it_counts_from_before_the_lease_was_written(at: list[float]) -> None:
    """The statement took 8 s to come back: 8 s of the lease are over."""
    at.append(108.0)
    fence = LeaseFence(asked_at=100.0)

    at.append(100.0 + OPEN_FOR_S)
    assert not fence.is_open()


def test_a_renewal_prolongs_it(at: list[float]) -> None:
    fence = LeaseFence(asked_at=100.0)
    fence.extend(asked_at=105.0)

    at.append(104.0 + OPEN_FOR_S)
    assert fence.is_open()


def test_an_answer_that_comes_late_shortens_nothing(at: list[float]) -> None:
    fence = LeaseFence(asked_at=105.0)
    fence.extend(asked_at=101.0)

    at.append(104.0 + OPEN_FOR_S)
    assert fence.is_open()


def test_what_is_over_stays_over(at: list[float]) -> None:
    """A renewal that was under way while the process stood still does not let its old sessions speak."""
    fence = LeaseFence(asked_at=100.0)
    at.append(160.0)
    fence.extend(asked_at=160.0)

    assert not fence.is_open()


def test_it_can_be_ended_before_its_time(at: list[float]) -> None:
    fence = LeaseFence(asked_at=100.0)
    fence.close()

    assert not fence.is_open()


def test_the_clock_goes_on_while_nobody_looks() -> None:
    before = lease_fence.boottime()

    assert lease_fence.boottime() >= before
