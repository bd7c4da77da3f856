from __future__ import annotations

import logging

import pytest

from dots_client.session import repeat_suppression
from dots_client.transport.log import CountedLog
from tests.dots_client.transport.loopback import until


@pytest.fixture(autouse=True)
def _listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="counted")


async def test_equal_lines_are_logged_once_and_then_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(repeat_suppression, "EVERY_S", 0.05)
    log = CountedLog(logging.getLogger("counted"))
    log.subject = "192.0.2.1:4646"

    for number in range(10):
        log.warning("message %d was dropped", number)
        log.info("another")

    assert [line.getMessage() for line in caplog.records] == ["message 0 was dropped", "another"]
    await until(lambda: len(caplog.records) == 4)
    assert [(line.levelname, line.getMessage()) for line in caplog.records[2:]] == [
        ("WARNING", "192.0.2.1:4646: 9 more lines like 'message %d was dropped'"),
        ("INFO", "192.0.2.1:4646: 9 more lines like 'another'"),
    ]
    log.close()


async def test_closing_logs_the_rest_and_leaves_no_timer(caplog: pytest.LogCaptureFixture) -> None:
    log = CountedLog(logging.getLogger("counted"))
    for _ in range(3):
        log.info("another")

    log.close()

    assert [line.getMessage() for line in caplog.records] == [
        "another",
        ": 2 more lines like 'another'",
    ]
    assert log._timer is None


async def test_a_disabled_level_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    log = CountedLog(logging.getLogger("counted"))
    for _ in range(3):
        log.debug("detail")
    log.close()

    assert caplog.records == []
