from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.signaling.leasing.lease_balancer import LeaseBalancer, to_give_back
from portal.signaling.leasing.lease_fence import OPEN_FOR_S
from portal.signaling.leasing.leases import Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)
LEASE_S, MAX_WATCHED_S, LEFT_FOR_OTHERS_S, MAX_CLAIMED, MAX_GIVEN_BACK = 12.0, 2.0, 3.0, 200, 10
START = 1000.5
YOU = Worker("you", NOW)


def dead(balancer: LeaseBalancer, worker: Worker, at: float) -> bool:
    return balancer.dead([worker], at=START + at) == [worker]


def claims(
    balancer: LeaseBalancer, free: list[UUID], at: float, *, share: int = 10, owned: int = 0
) -> list[UUID]:
    return balancer.to_claim(free, owned=owned, share=share, at=START + at)


def test_a_worker_that_has_not_renewed_for_as_long_as_a_lease_is_dead() -> None:
    balancer = LeaseBalancer()

    deaths = [dead(balancer, YOU, second) for second in range(15)]

    assert deaths == [second >= LEASE_S for second in range(15)]


def test_a_worker_that_renews_is_watched_from_the_beginning() -> None:
    balancer = LeaseBalancer()
    for second in range(12):
        assert not dead(balancer, YOU, second)
    later = Worker("you", NOW + timedelta(milliseconds=1))

    deaths = [dead(balancer, later, 12 + second) for second in range(15)]

    assert deaths == [second >= LEASE_S for second in range(15)]


@pytest.mark.parametrize(
    "seen_at",
    [NOW + timedelta(seconds=ahead) for ahead in (-86400, -3600, -13, -9, 0, 9, 3600, 86400)],
)
def test_the_time_of_the_last_renewal_proves_nothing(seen_at: datetime) -> None:
    """The database's clock jumped, or a standby with another clock took over."""
    balancer, worker = LeaseBalancer(), Worker("you", seen_at)

    deaths = [dead(balancer, worker, second) for second in range(15)]

    assert deaths == [second >= LEASE_S for second in range(15)]


@pytest.mark.parametrize("away_s", [4.0, 10.0, 13.0, 60.0, 86400.0])
@pytest.mark.parametrize("watched_s", [0, 1, 5, 9])
def test_no_worker_is_dead_at_the_first_reading_after_an_outage(
    watched_s: int, away_s: float
) -> None:
    """While the database was away, or we were stopped, no worker could renew."""
    balancer = LeaseBalancer()
    for second in range(watched_s + 1):
        assert not dead(balancer, YOU, second)
    back_at = watched_s + away_s

    deaths = [dead(balancer, YOU, back_at + second) for second in range(15)]

    left_s = LEASE_S - watched_s - MAX_WATCHED_S
    assert deaths == [second >= left_s for second in range(15)]


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans()), min_size=1, max_size=60))
def test_no_worker_is_dead_before_its_fence_has_closed(
    readings: list[tuple[float, bool]],
) -> None:
    """Whatever the time between readings, and in which of them the worker has renewed."""
    balancer, at, worker = LeaseBalancer(), 0.0, YOU
    renewed_at = 0.0
    for passed, renews in readings:
        at += passed
        if renews:
            worker, renewed_at = Worker("you", worker.seen_at + timedelta(microseconds=1)), at
        if dead(balancer, worker, at):
            assert at - renewed_at > OPEN_FOR_S


def test_a_dead_worker_is_noticed_although_every_reading_is_slow() -> None:
    balancer = LeaseBalancer()

    deaths = [dead(balancer, YOU, 5.0 * number) for number in range(8)]

    assert deaths == [number * MAX_WATCHED_S >= LEASE_S for number in range(8)]


def test_a_free_subscription_is_claimed_at_once() -> None:
    assert claims(LeaseBalancer(), [ONE], 0) == [ONE]


def test_no_worker_claims_more_than_its_share_while_others_can() -> None:
    balancer = LeaseBalancer()

    assert claims(balancer, [ONE, TWO], 0, share=3, owned=2) == [ONE]
    assert claims(balancer, [TWO], 1, share=3, owned=3) == []
    assert claims(balancer, [TWO, THREE], 2, share=3, owned=5) == []


def test_a_subscription_no_other_worker_claims_is_claimed_beyond_the_share() -> None:
    balancer = LeaseBalancer()

    assert claims(balancer, [ONE, TWO], 0, share=1) == [ONE]
    assert claims(balancer, [TWO], LEFT_FOR_OTHERS_S, share=1, owned=1) == [TWO]


def test_a_subscription_that_had_an_owner_meanwhile_is_left_for_others_again() -> None:
    balancer = LeaseBalancer()
    assert claims(balancer, [ONE], 0, share=0) == []
    assert claims(balancer, [], 1, share=0) == []

    assert claims(balancer, [ONE], LEFT_FOR_OTHERS_S, share=0) == []


def test_the_number_of_concurrent_claims_is_limited() -> None:
    many = [UUID(int=number) for number in range(MAX_CLAIMED + 50)]

    assert len(claims(LeaseBalancer(), many, 0, share=1000)) == MAX_CLAIMED


def test_surplus_idle_subscriptions_are_released() -> None:
    idle = [UUID(int=number) for number in range(100)]

    assert to_give_back(idle, owned=10, share=10) == []
    assert to_give_back(idle, owned=12, share=10) == idle[:2]
    assert to_give_back([], owned=12, share=10) == []
    assert len(to_give_back(idle, owned=100, share=10)) == MAX_GIVEN_BACK
