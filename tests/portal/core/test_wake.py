from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from portal.celery import app
from portal.core import wake


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    tasks: list[tuple[Any, ...]] = []
    monkeypatch.setattr(app, "send_task", lambda name, **options: tasks.append((name, options)))
    return tasks


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_woken_after_the_commit(sent: list[tuple[Any, ...]]) -> None:
    subscription_id = uuid4()

    with transaction.atomic():
        wake.wake_on_commit(subscription_id)
        assert sent == []

    assert sent == [
        (
            "portal.signaling.tasks.reconcile",
            {"args": [str(subscription_id)], "queue": "signal", "expires": 30},
        )
    ]


@pytest.mark.django_db(transaction=True)
def test_no_worker_is_woken_after_a_rollback(sent: list[tuple[Any, ...]]) -> None:
    with transaction.atomic():
        wake.wake_on_commit(uuid4())
        transaction.set_rollback(True)

    assert sent == []


@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_does_not_fail_a_committed_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: Any, **__: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr(app, "send_task", refuses)

    wake.wake_on_commit(uuid4())

    assert "no wake-up" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_hanging_broker_is_not_used_during_the_cool_down(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []
    clock = iter([0.0, 5.0])

    def hangs(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise OperationalError("timeout")

    monkeypatch.setattr(app, "send_task", hangs)
    monkeypatch.setattr(wake, "monotonic", lambda: next(clock))

    wake.wake_on_commit(uuid4())
    wake.wake_on_commit(uuid4())

    assert len(tried) == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_refuses_immediately_is_tried_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[int] = []

    def refuses(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise OperationalError("refused")

    monkeypatch.setattr(app, "send_task", refuses)

    wake.wake_on_commit(uuid4())
    wake.wake_on_commit(uuid4())

    assert len(tried) == 2
