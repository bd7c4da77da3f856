"""Gauges read from the tables, at most once every few seconds, however often Prometheus asks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from django.conf import settings
from django.core.cache import cache
from django.db import Error, close_old_connections
from django.db.models import Count, F, Min, Q
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from portal.core import metrics
from portal.core.metrics import RowGauge
from portal.mitigations.models import Mitigation, Wanted
from portal.mitigations.states import TERMINAL, Status
from portal.providers.models import SessionState, Subscription
from portal.signaling.leasing import database_clock, leases
from portal.signaling.leasing.leases import PRESENT_FOR
from portal.signaling.models import SignalWorker

logger = logging.getLogger(__name__)

KEPT_S: Final = 5.0
"""Prometheus asks every 15 s; a second Prometheus, or a person, gets the same numbers."""
ANSWER_WITHIN_S: Final = 2.0
"""A scrape does not wait for longer; Prometheus itself gives up after 10 s."""
MAX_PENDING: Final = 10_000
"""Pending mitigations that one query counts."""
AGES: Final = (("10s", 10), ("1m", 60), ("5m", 300))
"""The upper ends of the classes of `portal_pending_mitigations`, in seconds; then comes "older"."""

Values = dict[RowGauge, list[tuple[tuple[str, ...], float]]]


class RowCollector(Collector):
    """While the database is away the other gauges are missing, so that no old number looks like a
    new one.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._database = _Reader("database", read_rows)
        self._redis = _Reader("redis", read_redis)

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily(one.name, one.help) for one in metrics.ROW_GAUGES]

    def collect(self) -> Iterator[Metric]:
        with self._turn:
            # Start both before waiting for either.
            for reader in (self._database, self._redis):
                reader.begin()
            values = self._database.values()
            values[metrics.DATABASE_UP] = [((), float(self._database.is_up))]
            if settings.REDIS_URL:
                self._redis.values()
                values[metrics.REDIS_UP] = [((), float(self._redis.is_up))]
        for gauge, found in values.items():
            yield gauge.family(found)


@dataclass(slots=True)
class _Reader:
    """Reads in its own thread, because a database that hangs must not hang the scrape."""

    name: str
    read: Callable[[], Values]
    is_up: bool = False
    _threads: ThreadPoolExecutor = field(init=False)
    _running: Future[Values] | None = None
    _kept: Values = field(default_factory=dict)
    _read_at: float = float("-inf")

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"metrics-{self.name}")

    def begin(self) -> None:
        if self._running is None and monotonic() - self._read_at >= KEPT_S:
            self._running = self._threads.submit(_run, self.read)

    def values(self) -> Values:
        """What was read last; nothing while the server is away."""
        if self._running is not None:
            try:
                self._kept = self._running.result(ANSWER_WITHIN_S)
            except FutureTimeout:
                # It is still running: the next scrape waits for the same read.
                self._kept, self.is_up = {}, False
                return {}
            except (Error, RedisError, OSError) as error:
                logger.warning("metrics: the %s did not answer: %s", self.name, error)
                self._kept, self.is_up = {}, False
            else:
                self.is_up = True
            self._running, self._read_at = None, monotonic()
        return dict(self._kept)


def _run(read: Callable[[], Values]) -> Values:
    close_old_connections()
    try:
        return read()
    finally:
        close_old_connections()


def read_redis() -> Values:
    """Raises RedisError."""
    cache.get("metrics")
    return {}


def read_rows() -> Values:
    """Four statements, whatever the number of rows."""
    now = database_clock.read()
    workers = SignalWorker.objects.filter(
        seen_at__gt=now - PRESENT_FOR, seen_at__lt=now + PRESENT_FOR
    )
    return {
        **_sessions(now),
        **_pending(now),
        metrics.SIGNAL_WORKERS: [((), workers.count())],
    }


def _sessions(now: datetime) -> Values:
    rows = (
        Subscription.objects.filter(enabled=True, organization__is_active=True)
        .values("provider__name", "session_state")
        .annotate(
            sessions=Count("pk"),
            owned=Count("pk", filter=leases.is_owned(now)),
            heard=Min("last_heard_at"),
        )
        .order_by("provider__name", "session_state")
    )
    states: dict[tuple[str, ...], float] = {}
    unowned: dict[tuple[str, ...], float] = {}
    ages: dict[tuple[str, ...], float] = {}
    for row in rows:
        provider, state = row["provider__name"], row["session_state"]
        for one in SessionState:
            states.setdefault((provider, one.value), 0)
        states[provider, state] = row["sessions"]
        unowned[provider,] = unowned.get((provider,), 0) + row["sessions"] - row["owned"]
        if state == SessionState.UP and row["heard"] is not None:
            ages[provider,] = max(0.0, (now - row["heard"]).total_seconds())
    return {
        metrics.SESSIONS: list(states.items()),
        metrics.UNOWNED_SESSIONS: list(unowned.items()),
        metrics.HEARTBEAT_AGE: list(ages.items()),
    }


def _pending(now: datetime) -> Values:
    # The second condition lets PostgreSQL use the index of live mitigations.
    due = Q(retry_at__isnull=True) | Q(retry_at__lte=now)
    pending = Mitigation.objects.filter(
        due, ~Q(status__in=TERMINAL), status=Status.PENDING, wanted=Wanted.ACTIVE
    ).order_by()[:MAX_PENDING]
    older_than = {
        name: Count("pk", filter=Q(asked_at__lt=now - timedelta(seconds=seconds)))
        for name, seconds in AGES
    }
    unsent = Q(sent_at__isnull=True) | Q(sent_at__lt=F("asked_at"))
    found = pending.aggregate(
        total=Count("pk"), unsent=Min("asked_at", filter=unsent), **older_than
    )
    counts = [found["total"], *(found[name] for name, _ in AGES), 0]
    names = [*(name for name, _ in AGES), "older"]
    waited = 0.0 if found["unsent"] is None else (now - found["unsent"]).total_seconds()
    return {
        metrics.PENDING: [
            ((name,), at_least - older)
            for name, at_least, older in zip(names, counts, counts[1:], strict=False)
        ],
        metrics.OLDEST_UNSENT: [((), max(0.0, waited))],
    }
