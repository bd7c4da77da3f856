from __future__ import annotations

import pytest

from portal.signaling import hold
from portal.signaling.hold import LEASE, MARGIN, SPEAKS_S, Hold


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock: its last number is the time."""
    times = [100.0]
    monkeypatch.setattr(hold, "clock", lambda: times[-1])
    return times


def test_a_holder_is_silent_before_anybody_else_may_claim(at: list[float]) -> None:
    held = Hold(asked_at=100.0)
    assert held.is_on()

    at.append(100.0 + SPEAKS_S)
    assert not held.is_on()
    assert LEASE.total_seconds() - SPEAKS_S == MARGIN.total_seconds() >= 1


def test_it_counts_from_before_the_lease_was_written(at: list[float]) -> None:
    """The statement took 8 s to come back: 8 s of the lease are over."""
    at.append(108.0)
    held = Hold(asked_at=100.0)

    at.append(100.0 + SPEAKS_S)
    assert not held.is_on()


def test_a_renewal_prolongs_it(at: list[float]) -> None:
    held = Hold(asked_at=100.0)
    held.renewed(asked_at=105.0)

    at.append(104.0 + SPEAKS_S)
    assert held.is_on()


def test_an_answer_that_comes_late_shortens_nothing(at: list[float]) -> None:
    held = Hold(asked_at=105.0)
    held.renewed(asked_at=101.0)

    at.append(104.0 + SPEAKS_S)
    assert held.is_on()


def test_what_is_over_stays_over(at: list[float]) -> None:
    """A renewal that was under way while the process stood still does not let its old sessions speak."""
    held = Hold(asked_at=100.0)
    at.append(160.0)
    held.renewed(asked_at=160.0)

    assert not held.is_on()


def test_it_can_be_ended_before_its_time(at: list[float]) -> None:
    held = Hold(asked_at=100.0)
    held.end()

    assert not held.is_on()


def test_the_clock_goes_on_while_nobody_looks() -> None:
    before = hold.clock()

    assert hold.clock() >= before
