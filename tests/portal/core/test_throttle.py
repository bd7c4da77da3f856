from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from portal.core import throttle
from portal.core.counting_cache import MemoryCache
from portal.core.errors import Throttled

TWICE = throttle.Limit(name="test", tries=2, window_s=30, message="Too many tries.")


def test_an_attempt_beyond_the_limit_says_when_to_retry() -> None:
    throttle.count(TWICE, "alice")
    throttle.count(TWICE, "alice")

    with pytest.raises(Throttled, match="Try again in") as caught:
        throttle.count(TWICE, "alice")

    assert 1 <= caught.value.retry_after_s <= 30


def test_other_callers_are_not_affected() -> None:
    throttle.count(TWICE, "alice")
    throttle.count(TWICE, "alice")

    throttle.count(TWICE, "bob\0\ud800" + "x" * 1000)


def test_a_successful_attempt_does_not_count() -> None:
    for _ in range(5):
        throttle.count(TWICE, "alice")
        throttle.give_back(TWICE, "alice")


def test_the_next_window_starts_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(throttle, "time", lambda: now)
    throttle.count(TWICE, "alice")
    throttle.count(TWICE, "alice")

    now += TWICE.window_s

    throttle.count(TWICE, "alice")


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_ipv6_callers_share_the_budget_of_their_64(address: str, subject: str) -> None:
    assert throttle.subject_of(address) == subject


@pytest.fixture
def broken_cache(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The exceptions that the cache raises; each call uses up one."""
    failures: list[Exception] = []

    class Broken:
        def count(self, *_: object, **__: object) -> None:
            raise failures.pop()

        decr = count

    monkeypatch.setattr(throttle, "cache", Broken())
    return failures


def test_attempts_are_allowed_without_the_cache(
    broken_cache: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    broken_cache += [RedisConnectionError("refused")] * 4

    for _ in range(3):
        throttle.count(TWICE, "alice")
    throttle.give_back(TWICE, "alice")

    assert broken_cache == []
    assert "not counted" in caplog.text


def test_a_hanging_cache_is_not_used_during_the_cool_down(broken_cache: list[Exception]) -> None:
    broken_cache += [RedisTimeoutError("hung")] * 2

    throttle.count(TWICE, "alice")
    throttle.count(TWICE, "alice")
    throttle.give_back(TWICE, "alice")

    assert len(broken_cache) == 1


def test_an_attempt_is_not_subtracted_after_the_cache_lost_its_counters(
    broken_cache: list[Exception],
) -> None:
    broken_cache += [ValueError("no such key")]

    throttle.give_back(TWICE, "alice")


def test_a_counter_that_is_evicted_at_once_starts_again() -> None:
    cache = MemoryCache("test", {"OPTIONS": {"MAX_ENTRIES": 1, "CULL_FREQUENCY": 1}})

    assert [cache.count("one", 30), cache.count("two", 30), cache.count("one", 30)] == [1, 1, 1]
