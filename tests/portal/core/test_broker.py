"""The parts that survive broker errors; tests/integration/test_broker_outages.py shows that the
whole does.
"""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import ReadOnlyError, ResponseError

from portal.core.broker import CALM_AFTER_S, FIRST_PAUSE_S, LONGEST_PAUSE_S, Pauses
from portal.core.logs import OutagesInOneLine


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
