"""Django's Redis cache, with one pool of connections for the whole process, and counters that need
one round trip.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, cast

from django.core.cache.backends import redis
from django.core.cache.backends.locmem import LocMemCache


class CountingCache(Protocol):
    """What setting `CACHES` names."""

    def count(self, key: str, timeout_s: int, by: int = 1) -> int:
        """Add `by` to the counter and return it.

        A new one starts at 0 and ends after `timeout_s`.
        """


class RedisCacheClient(redis.RedisCacheClient):
    """Django makes a client for every request, and each would open another connection."""

    _shared_pools: ClassVar[dict[str, dict[int, Any]]] = {}
    _shared_clients: ClassVar[dict[str, dict[bool, Any]]] = {}

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        address = f"{servers} {sorted(options.items())}"
        self._pools = self._shared_pools.setdefault(address, {})
        self._clients = self._shared_clients.setdefault(address, {})

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        # A client costs as much as a command, and may serve several threads.
        if write not in self._clients:
            self._clients[write] = super().get_client(key, write=write)
        return self._clients[write]

    def count(self, key: str, timeout_s: int, by: int = 1) -> int:
        client = self.get_client(key, write=True)
        with client.pipeline(transaction=False) as pipeline:
            pipeline.set(key, 0, ex=timeout_s, nx=True)
            pipeline.incr(key, by)
            return int(pipeline.execute()[-1])


class RedisCache(redis.RedisCache):
    """Setting `CACHES`: a backend like Django's own."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = RedisCacheClient

    def count(self, key: str, timeout_s: int, by: int = 1) -> int:
        client = cast(RedisCacheClient, self._cache)
        return client.count(self.make_and_validate_key(key), timeout_s, by)


class MemoryCache(LocMemCache):
    """The same in the memory of this process, for an installation without Redis."""

    def count(self, key: str, timeout_s: int, by: int = 1) -> int:
        self.add(key, 0, timeout=timeout_s)
        try:
            return int(self.incr(key, by))
        except ValueError:
            # It ended, or was evicted, since the line above.
            return by
