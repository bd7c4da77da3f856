from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from portal.signaling.lease_balancer import (
    LeaseBalancer,
    to_give_back,
)
from portal.signaling.lease_fence import LEASE
from portal.signaling.leases import Lease

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)
QUIET_S, LEFT_FOR_OTHERS_S, MAX_CLAIMED, MAX_GIVEN_BACK = 3.0, 3.0, 100, 10
START = 1000.5
PAST = NOW - timedelta(seconds=1)


def free(*numbers: int) -> list[Lease]:
    return [Lease(UUID(int=number), "", None) for number in numbers]


def claims(
    sharing: LeaseBalancer,
    unrenewed: list[Lease],
    at: float,
    *,
    share: int = 10,
    owned: int = 0,
    now: datetime = NOW,
) -> list[UUID]:
    mine = [UUID(int=1000 + number) for number in range(owned)]
    wanted = sharing.to_claim(unrenewed, owned=mine, share=share, now=now, at=START + at)
    return [lease.subscription for lease in wanted]


def test_a_released_subscription_is_claimed_at_once() -> None:
    assert claims(LeaseBalancer("me"), free(1), 0) == [ONE]


def test_an_expired_lease_is_claimed_once_it_has_not_changed_for_a_while() -> None:
    sharing, lease = LeaseBalancer("me"), Lease(ONE, "you", PAST)

    assert claims(sharing, [lease], 0) == []
    assert claims(sharing, [lease], QUIET_S) == [ONE]


def test_an_owner_that_renews_after_a_jump_of_the_clock_keeps_its_lease() -> None:
    """The database's clock jumped ahead by an hour: by its time every lease has expired, but all
    workers live.
    """
    sharing = LeaseBalancer("me")
    later = NOW + timedelta(hours=1)

    assert claims(sharing, [Lease(ONE, "you", NOW + LEASE)], 0, now=later) == []
    # Its next renewal makes the lease current; then the worker dies.
    assert claims(sharing, [], 1, now=later) == []
    lease = Lease(ONE, "you", later + LEASE)
    assert claims(sharing, [lease], 2, now=later) == []
    assert claims(sharing, [lease], 2 + QUIET_S, now=later) == []
    assert claims(sharing, [lease], 20, now=later + 2 * LEASE) == [ONE]


def test_an_unrenewed_lease_from_the_future_is_claimed() -> None:
    sharing, lease = LeaseBalancer("me"), Lease(ONE, "you", NOW + timedelta(hours=1))

    assert claims(sharing, [lease], 0) == []
    assert claims(sharing, [lease], QUIET_S) == [ONE]


def test_a_lease_of_this_worker_without_a_session_is_reclaimed_immediately() -> None:
    assert claims(LeaseBalancer("me"), [Lease(ONE, "me", NOW + LEASE / 2)], 0) == [ONE]


def test_an_owned_subscription_is_not_claimed_again() -> None:
    sharing = LeaseBalancer("me")

    assert sharing.to_claim(free(1), owned=[ONE], share=10, now=NOW, at=0) == []


def test_no_worker_claims_more_than_its_share_while_others_can() -> None:
    sharing = LeaseBalancer("me")

    assert claims(sharing, free(1, 2), 0, share=3, owned=2) == [ONE]
    assert claims(sharing, free(2), 1, share=3, owned=3) == []
    assert claims(sharing, free(2, 3), 2, share=3, owned=5) == []


def test_a_subscription_no_other_worker_claims_is_claimed_beyond_the_share() -> None:
    sharing = LeaseBalancer("me")

    assert claims(sharing, free(1, 2), 0, share=1) == [ONE]
    assert claims(sharing, free(2), LEFT_FOR_OTHERS_S, share=1, owned=1) == [TWO]


def test_the_number_of_concurrent_claims_is_limited() -> None:
    many = free(*range(1, MAX_CLAIMED + 50))

    assert len(claims(LeaseBalancer("me"), many, 0, share=1000)) == MAX_CLAIMED


def test_surplus_idle_subscriptions_are_released() -> None:
    idle = [UUID(int=number) for number in range(100)]

    assert to_give_back(idle, owned=10, share=10) == []
    assert to_give_back(idle, owned=12, share=10) == idle[:2]
    assert to_give_back([], owned=12, share=10) == []
    assert len(to_give_back(idle, owned=100, share=10)) == MAX_GIVEN_BACK
