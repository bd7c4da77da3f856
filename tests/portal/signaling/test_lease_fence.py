from __future__ import annotations

from datetime import timedelta

import pytest

from portal.signaling.leasing import lease_fence
from portal.signaling.leasing.lease_fence import LEASE, OPEN_FOR_S, LeaseFence


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock shows the last number of this list."""
    times = [100.0]
    monkeypatch.setattr(lease_fence, "boottime", lambda: times[-1])
    return times


def test_the_fence_closes_before_another_worker_may_claim(at: list[float]) -> None:
    fence = LeaseFence(asked_at=100.0)
    assert fence.is_open()

    # docs/architecture.md: it stops 2 s before the lease of 12 s ends.
    at.append(109.9)
    assert fence.is_open()
    at.append(110.0)
    assert not fence.is_open()
    assert timedelta(seconds=12) == LEASE


def test_the_fence_is_open_from_before_the_lease_was_written(at: list[float]) -> None:
    """The statement took 8 s to return, so 8 s of the lease are over."""
    at.append(108.0)
    fence = LeaseFence(asked_at=100.0)

    at.append(100.0 + OPEN_FOR_S)
    assert not fence.is_open()


def test_a_renewal_keeps_the_fence_open_longer(at: list[float]) -> None:
    fence = LeaseFence(asked_at=100.0)
    fence.extend(asked_at=105.0)

    at.append(104.0 + OPEN_FOR_S)
    assert fence.is_open()


def test_a_late_answer_does_not_shorten_the_time(at: list[float]) -> None:
    fence = LeaseFence(asked_at=105.0)
    fence.extend(asked_at=101.0)

    at.append(104.0 + OPEN_FOR_S)
    assert fence.is_open()


def test_a_closed_fence_stays_closed(at: list[float]) -> None:
    """A renewal under way while the process was stopped does not let its old sessions send."""
    fence = LeaseFence(asked_at=100.0)
    at.append(160.0)
    fence.extend(asked_at=160.0)

    assert not fence.is_open()


def test_the_fence_can_be_closed_early(at: list[float]) -> None:
    fence = LeaseFence(asked_at=100.0)
    fence.close()

    assert not fence.is_open()


def test_the_clock_advances_between_readings() -> None:
    before = lease_fence.boottime()

    assert lease_fence.boottime() >= before
