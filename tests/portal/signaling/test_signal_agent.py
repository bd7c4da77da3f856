"""The agent's thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from dots_client import ClientSettings
from portal.signaling.signal_agent import SignalAgent


@pytest.mark.django_db(transaction=True)
def test_an_agent_that_is_stopped_before_its_loop_runs_stops(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = asyncio.run

    def run_late(main: Coroutine[Any, Any, None]) -> None:
        time.sleep(0.2)
        run(main)

    monkeypatch.setattr(asyncio, "run", run_late)
    agent = SignalAgent("worker-1", settings=ClientSettings())

    with caplog.at_level(logging.ERROR):
        agent.start()
        agent.stop()

    assert not agent.is_running
    assert caplog.records == []
