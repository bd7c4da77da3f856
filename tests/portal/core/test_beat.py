"""Beat ends when it is asked to, wherever it is at that moment."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery
from celery.apps.beat import Beat
from celery.beat import Service
from celery.signals import before_task_publish
from django.test import override_settings

from portal.core.broker import Scheduler

NOBODY_LISTENS = "redis://127.0.0.1:1/0"
NewBeat = Callable[[str], Service]


class AsksToStop:
    """Python drops what a destructor raises. Each task that beat sends ends with one of Redis."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


class AsksToStopAtEachLine(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        AsksToStop()


@pytest.fixture
def new_beat(tmp_path: Path) -> Iterator[NewBeat]:
    """Takes the URL of a broker."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def new_beat(broker: str) -> Service:
        app = Celery("test", broker=broker, set_as_current=False)
        app.conf.beat_schedule = {"often": {"task": "often", "schedule": 0.01}}
        beat = Service(app, scheduler_cls=Scheduler, schedule_filename=str(tmp_path / "schedule"))
        # Celery's command does this before the start.
        Beat(app=app).install_sync_handler(beat)
        return beat

    with override_settings(REDIS_URL=NOBODY_LISTENS):  # beat refuses to start without any
        yield new_beat
    for number, handler in usual.items():
        signal.signal(number, handler)


def test_beat_that_is_asked_to_stop_in_a_destructor_sends_no_further_task(
    new_beat: NewBeat,
) -> None:
    beat, sent = new_beat("memory://"), []

    def ask(**task: object) -> None:
        sent.append(task)
        AsksToStop()
        if len(sent) > 1:
            beat.stop()

    before_task_publish.connect(ask)
    try:
        beat.start()
    finally:
        before_task_publish.disconnect(ask)

    assert len(sent) == 1


def test_beat_sleeps_until_a_task_is_due(new_beat: NewBeat) -> None:
    scheduler, sent, ticks = new_beat("memory://").scheduler, [], 0

    def note(**task: object) -> None:
        sent.append(task)

    before_task_publish.connect(note)
    try:
        while len(sent) < 20:
            ticks += 1
            if (pause_s := scheduler.tick()) > 0:
                time.sleep(pause_s)
    finally:
        before_task_publish.disconnect(note)
        scheduler.close()

    # One that sends, one that says how long to sleep, and one in case the clock rounds down.
    assert ticks <= 3 * len(sent)


@pytest.mark.timeout(20)
def test_beat_that_waits_for_the_broker_ends_when_it_is_asked_to(new_beat: NewBeat) -> None:
    log, asks = logging.getLogger("portal.core.broker"), AsksToStopAtEachLine()
    log.addHandler(asks)
    try:
        new_beat(NOBODY_LISTENS).start()
    finally:
        log.removeHandler(asks)
