"""Make Celery's workers and beat survive errors of the broker (ADR 29).

A signal worker holds the sessions with the providers. Celery by default ends a worker on any broker
error that it does not list as a lost connection, such as READONLY, NOREPLICAS, MISCONF or a message
that is not JSON. Here the consumer loop restarts after any error, in the same process, while the
sessions stay up.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any, Final

from celery.beat import PersistentScheduler, SchedulingError
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu import Connection
from kombu.transport import redis as kombu_redis

from portal import env

logger = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5
"""The longest pause between two attempts.

Celery's pauses grow to 30 s, which is too long once the broker is back.
"""
CALM_AFTER_S: Final = 30.0
"""After this long without an error, the pauses start from the shortest again."""
LOOK_S: Final = 0.2
"""A pause of a worker or of beat ends within this time after SIGTERM."""


class Channel(kombu_redis.Channel):
    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # The stubs do not have it.
        parameters: dict[str, Any] = super()._connparams(*args, **kwargs)  # type: ignore[misc]  # see above
        return {**parameters, "retry": env.ONCE_MORE_ELSEWHERE}


class RedisTransport(kombu_redis.Transport):
    """Setting `broker_transport`."""

    Channel = Channel


class Pauses:
    """How long to wait after each error. `now` is in seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._pause_s: float = FIRST_PAUSE_S
        self._ended_at = float("-inf")

    def after_error(self, now: float) -> float:
        is_first = now - self._ended_at > CALM_AFTER_S
        self._pause_s = FIRST_PAUSE_S if is_first else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._ended_at = now + self._pause_s
        return self._pause_s


class Consumer(CeleryConsumer):
    """Setting `worker_consumer`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Celery reconnects after these; any other exception ends the process.
        self.connection_errors = (Exception,)
        self._pauses = Pauses()

    def ensure_connected(self, conn: Connection) -> Connection:
        """Return when connected, or when the worker is asked to stop."""
        _connect(conn, callback=maybe_shutdown)
        self.first_connection_attempt = False
        return conn

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        self._pause()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        try:
            super().on_connection_error_after_connected(exc)
        except Exception:
            # Closing may raise anything, because an unreadable reply may still wait on the old
            # connection.
            logger.exception("the old connection to the broker was not closed cleanly")
            self.connection = None
        self._pause()

    def _pause(self) -> None:
        _pause(self._pauses.after_error(monotonic()), maybe_shutdown)


class Scheduler(PersistentScheduler):
    """Setting `beat_scheduler`.

    Celery's handler of SIGTERM raises SystemExit wherever the process is. In a destructor Python
    drops it: the schedule is closed, and beat runs on. Here beat ends before its next step.
    """

    _is_asked_to_stop = False

    def setup_schedule(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)
        super().setup_schedule()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send at most one task that is due. Returns how long to wait until the next tick."""
        self._stop_if_asked()
        pause_s: float = super().tick(*args, **kwargs)
        return min(pause_s, LOOK_S)

    def adjust(self, n: float, drift: float = 0.0) -> float:
        """Nothing. Celery wakes up 10 ms early and then asks without a pause until the task is due,
        which takes more CPU than all tasks.
        """
        return n

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send a task that is due. Skip one that cannot be sent: the next is due soon."""
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            logger.warning("beat: %s", error)

    def _ensure_connected(self) -> Connection:
        while True:
            try:
                return _connect(self.connection, callback=self._stop_if_asked)
            except Exception:
                # As in the workers (ADR 29), beat retries after any error of Redis, kombu or the
                # network. The log keeps the trace unless Redis is simply away (portal.core.logs).
                logger.warning("beat: no connection to the broker", exc_info=True)
                _pause(LONGEST_PAUSE_S, self._stop_if_asked)

    def _ask_to_stop(self, *_: object) -> None:
        self._is_asked_to_stop = True

    def _stop_if_asked(self) -> None:
        if self._is_asked_to_stop:
            raise SystemExit


def _pause(pause_s: float, stop_if_asked: Callable[[], None]) -> None:
    until = monotonic() + pause_s
    while monotonic() < until:
        stop_if_asked()
        sleep(LOOK_S)


def _connect(connection: Connection, **options: Any) -> Connection:
    def no_connection(error: Exception, pause_s: float) -> None:
        logger.warning(
            "no connection to %s: %s. Retrying in %s s", connection.as_uri(), error, pause_s
        )

    return connection.ensure_connection(
        no_connection,
        interval_start=1,
        interval_step=1,
        interval_max=LONGEST_PAUSE_S,
        **options,
    )
