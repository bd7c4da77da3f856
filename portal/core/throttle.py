"""Counts attempts in the cache.

While the cache is away every attempt is allowed; limits in the database still apply.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from dataclasses import dataclass
from time import time
from typing import Final, cast

from django.core.cache import cache
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from portal.core.cooldown import Cooldown
from portal.core.counting_cache import CountingCache
from portal.core.errors import Throttled

logger = logging.getLogger(__name__)

IPV6_PREFIX: Final = 64
"""A single line or host usually has a whole IPv6 network of this length (RFC 6177), so its
addresses share a budget.
"""

cache_cooldown = Cooldown(pause_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `tries` within `window_s` seconds for each subject."""

    name: str
    tries: int
    window_s: int
    message: str


def subject_of(address: str) -> str:
    """The subject under which a caller's `address` is counted: an IPv4 address itself, the /64 of
    an IPv6 address.

    An IPv4-mapped address counts as IPv4. Any other text is its own subject (a Unix socket has no
    address).
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))


def count(limit: Limit, subject: str) -> None:
    """Count one attempt of `subject`; Throttled if it exceeds the limit."""
    now = time()
    tries = _counted(limit, subject, now, by=1)
    if tries > limit.tries:
        retry_after_s = max(1, int(limit.window_s - now % limit.window_s))
        raise Throttled(
            f"{limit.message} Try again in {retry_after_s}\u00a0s.", retry_after_s=retry_after_s
        )


def spend(limit: Limit, subject: str, amount: int) -> int:
    """Count `amount` attempts at once. Returns how many of them are within the limit; all of them
    while the cache is away.
    """
    counted = _counted(limit, subject, time(), by=amount)
    return min(amount, max(0, limit.tries - (counted - amount)))


def _counted(limit: Limit, subject: str, now: float, *, by: int) -> int:
    """Attempts in this window, with `by` new ones; 0 while the cache is away."""
    if cache_cooldown.is_active:
        return 0
    try:
        counter = cast(CountingCache, cache)
        return counter.count(_key(limit, subject, now), limit.window_s, by)
    except (RedisError, OSError) as error:
        logger.warning("attempts are not counted: %s", error)
        if isinstance(error, TimeoutError | RedisTimeoutError):
            cache_cooldown.start()
        return 0


def give_back(limit: Limit, subject: str) -> None:
    """Remove a successful attempt from the count."""
    if cache_cooldown.is_active:
        return
    key = _key(limit, subject, time())
    try:
        cache.decr(key)
    except (RedisError, OSError) as error:
        logger.warning("an attempt was not subtracted: %s", error)
    except ValueError:
        return


def _key(limit: Limit, subject: str, now: float) -> str:
    # Typed text may be long or contain any character; cache keys may not.
    digest = hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"throttle:{limit.name}:{int(now // limit.window_s)}:{digest}"
