"""Django's Redis cache, with one pool of connections for the whole process."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.cache.backends import redis


class RedisCacheClient(redis.RedisCacheClient):
    """Django makes a client for every request, and each would open a connection of its own."""

    _shared_pools: ClassVar[dict[str, dict[int, Any]]] = {}

    def __init__(self, servers: list[str], **options: Any) -> None:
        super().__init__(servers, **options)
        self._pools = self._shared_pools.setdefault(f"{servers} {sorted(options.items())}", {})


class RedisCache(redis.RedisCache):
    """Setting `CACHES`: a backend like Django's own."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = RedisCacheClient
