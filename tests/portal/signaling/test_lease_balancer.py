from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from portal.signaling.lease_balancer import LeaseBalancer, to_give_back
from portal.signaling.lease_fence import LEASE
from portal.signaling.leases import Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)
QUIET_S, LEFT_FOR_OTHERS_S, MAX_CLAIMED, MAX_GIVEN_BACK = 3.0, 3.0, 100, 10
START = 1000.5
SILENT = Worker("you", NOW - LEASE - timedelta(seconds=1))


def dead(balancer: LeaseBalancer, worker: Worker, at: float, now: datetime = NOW) -> bool:
    return balancer.dead([worker], now=now, at=START + at) == [worker]


def claims(
    balancer: LeaseBalancer, free: list[UUID], at: float, *, share: int = 10, owned: int = 0
) -> list[UUID]:
    return balancer.to_claim(free, owned=owned, share=share, at=START + at)


def test_an_overdue_worker_is_dead_once_it_has_not_renewed_for_a_while() -> None:
    balancer = LeaseBalancer()

    assert not dead(balancer, SILENT, 0)
    assert not dead(balancer, SILENT, QUIET_S - 0.1)
    assert dead(balancer, SILENT, QUIET_S)


def test_a_worker_that_renews_is_watched_from_the_beginning() -> None:
    balancer = LeaseBalancer()
    assert not dead(balancer, SILENT, 0)
    later = Worker("you", SILENT.seen_at + timedelta(milliseconds=1))

    assert not dead(balancer, later, QUIET_S)
    assert dead(balancer, later, 2 * QUIET_S)


def test_a_worker_that_renews_after_a_jump_of_the_clock_lives() -> None:
    """The database's clock jumped ahead by an hour: by its time every worker is overdue, but all
    live.
    """
    balancer = LeaseBalancer()
    later = NOW + timedelta(hours=1)

    assert not dead(balancer, Worker("you", NOW), 0, now=later)
    # Its next renewal has the new time; then it dies.
    renewed = Worker("you", later)
    assert not dead(balancer, renewed, 1, now=later)
    assert not dead(balancer, renewed, 1 + QUIET_S, now=later)
    assert dead(balancer, renewed, 20, now=later + 2 * LEASE)


def test_a_worker_that_renewed_in_the_future_is_dead_once_it_has_not_renewed_for_a_while() -> None:
    """The database's clock was set back by an hour, and the worker died just before."""
    balancer, worker = LeaseBalancer(), Worker("you", NOW + timedelta(hours=1))

    assert not dead(balancer, worker, 0)
    assert dead(balancer, worker, QUIET_S)


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
