"""The parts that survive broker errors; tests/integration/test_broker_outages.py shows that the
whole does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ReadOnlyError, ResponseError

from local_stack.ports import LOOPBACK, free_port
from local_stack.processes import Process
from local_stack.servers import redis_program
from portal.core.broker import (
    CALM_AFTER_S,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    Pauses,
    RedisTransport,
)
from portal.core.logs import OutagesInOneLine

PASSWORD = "secret"
NOBODY_LISTENS = "1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis]:
    port = free_port()
    process = Process(
        redis_program(port=port, password=PASSWORD, directory=tmp_path), tmp_path / "log"
    )
    process.start()
    process.wait_until_ready()
    with Redis(host=LOOPBACK, port=port, password=PASSWORD) as server:
        yield server
    process.kill()


@pytest.mark.timeout(20)
def test_a_transaction_that_redis_refuses_fails_and_does_not_begin_again_without_end(
    server: Redis,
) -> None:
    port = server.connection_pool.connection_kwargs["port"]
    url = f"redis://:{PASSWORD}@{LOOPBACK}:{port}/0"
    server.replicaof(LOOPBACK, NOBODY_LISTENS)

    with Connection(url, transport=RedisTransport) as connection:
        channel: Any = connection.default_channel
        with pytest.raises(ReadOnlyError):
            channel.client.transaction(restore, "unacked")


def restore(pipe: Pipeline) -> None:
    """As kombu does with each message that a worker has not acknowledged when it stops."""
    pipe.multi()
    pipe.hdel("unacked", "message")


def test_pauses_grow_to_a_bound_and_reset_after_a_quiet_period() -> None:
    pauses, now, seen = Pauses(), 1000.0, []
    for _ in range(6):
        seen.append(pauses.after_error(now))
        now += seen[-1] + 0.01

    assert seen == [0.5, 1, 2, 4, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert pauses.after_error(now + CALM_AFTER_S) == FIRST_PAUSE_S


@pytest.mark.parametrize(
    "error",
    [
        ReadOnlyError("no writes"),
        ResponseError("MISCONF"),
        BrokerError("gone"),
        OperationalError("gone"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unreachable_server_is_one_log_line(error: Exception) -> None:
    record = logged(error)

    assert record.getMessage() == f"the receiver failed: {error}"
    assert record.exc_info is None


def test_an_unexpected_error_is_logged_with_its_traceback() -> None:
    record = logged(KeyError("x"))

    assert record.getMessage() == "the receiver failed"
    assert record.exc_info is not None


def logged(error: Exception) -> logging.LogRecord:
    record = logging.LogRecord(
        "x", logging.ERROR, "x.py", 1, "the %s failed", ("receiver",), (type(error), error, None)
    )
    assert OutagesInOneLine().filter(record)
    return record
