"""A storm of notices delays no mitigation."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Task
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from local_stack import programs
from portal.celery import app
from portal.core import broadcast
from portal.notifications import tasks
from portal.notifications.services.collect import collect
from portal.notifications.services.deliver import deliver
from portal.organizations.models import Organization
from tests.portal.notifications.conftest import Channels, fail_drills

OWN = sorted(
    f"{tasks.__name__}.{name}"
    for name, one in vars(tasks).items()
    if isinstance(one, Task) and name != "shared_task"
)


def queues_of(command: str) -> set[str]:
    words = shlex.split(command)
    return set(words[words.index("-Q") + 1].split(",")) if "-Q" in words else set()


def test_only_the_notice_worker_takes_notices() -> None:
    assert queues_of(programs.NOTICE_WORKER) == {"notices"}
    for name, command in programs.COMMANDS.items():
        if name != "notice worker":
            assert "notices" not in queues_of(command), name


@pytest.mark.parametrize("name", OWN)
def test_every_task_goes_to_the_queue_of_notices(name: str) -> None:
    assert app.amqp.router.route({}, name)["queue"].name == "notices"


def test_every_task_of_the_schedule_expires_before_the_next() -> None:
    """Tasks must not pile up while the worker is away."""
    assert len(OWN) >= 5
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    own = [one for one in schedule.values() if one["task"] in OWN]

    assert {one["task"] for one in own} == set(OWN)
    assert all(one["options"]["expires"] <= 600 for one in own)


@pytest.mark.timeout(600)  # 5,000 statements on a busy machine
def test_a_thousand_notices_send_no_task_and_no_wake_up(
    acme: Organization, channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = channels.add(acme)
    fail_drills(acme, 1000)

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("the storm reached another process")

    for owner, name in ((Celery, "send_task"), (Task, "apply_async")):
        monkeypatch.setattr(owner, name, fail)
    for name in ("wake_on_commit", "broadcast_on_commit", "broadcast_many_on_commit"):
        if hasattr(broadcast, name):
            monkeypatch.setattr(broadcast, name, fail)
    with CaptureQueriesContext(connection) as queries:
        collect()
        for _ in range(100):
            if not deliver():
                break

    assert len(webhook.messages) == 1000
    # Nothing locks what the signal workers write.
    locking = [one["sql"] for one in queries if "FOR UPDATE" in one["sql"].upper()]
    assert all("notifications_notice" in sql or "eventcursor" in sql for sql in locking)
