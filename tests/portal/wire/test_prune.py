from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from portal.mitigations.models import Mitigation
from portal.providers.models import Subscription
from portal.settings import CELERY_BEAT_SCHEDULE
from portal.wire import services, tasks
from portal.wire.models import WireMessage
from tests.portal.wire.conftest import keep, put


def test_messages_older_than_the_policy_are_deleted(
    mitigation: Mitigation, settings: Settings
) -> None:
    settings.PORTAL_WIRE_DAYS = 30
    now = timezone.now()
    old, young = now - timedelta(days=30, seconds=1), now - timedelta(days=29)
    keep(mitigation.subscription_id, put(mitigation.mid, old), put(mitigation.mid, young))

    tasks.prune()

    assert [message.at for message in WireMessage.objects.all()] == [young]


def test_the_oldest_messages_beyond_the_limit_of_a_subscription_are_deleted(
    mitigation: Mitigation, globex_northgate: Subscription, settings: Settings
) -> None:
    settings.PORTAL_WIRE_ROWS = 3
    now = timezone.now()
    keep(
        mitigation.subscription_id,
        *(put(mitigation.mid, now - timedelta(seconds=n)) for n in range(5)),
    )
    keep(globex_northgate.pk, put(1, now - timedelta(days=1)))

    assert services.prune(now=now) == 2

    own = WireMessage.objects.filter(subscription=mitigation.subscription_id)
    assert min(message.at for message in own) == now - timedelta(seconds=2)
    assert WireMessage.objects.filter(subscription=globex_northgate).count() == 1


def test_one_run_deletes_in_batches_up_to_its_limit(
    mitigation: Mitigation, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PORTAL_WIRE_DAYS = 30
    monkeypatch.setattr(services, "DELETE_BATCH_SIZE", 2)
    monkeypatch.setattr(services, "MAX_PRUNED", 5)
    old = timezone.now() - timedelta(days=31)
    keep(mitigation.subscription_id, *(put(mitigation.mid, old) for _ in range(7)))

    assert services.prune(now=timezone.now()) == 5
    assert services.prune(now=timezone.now()) == 2


def test_the_schedule_runs_the_pruning() -> None:
    assert "portal.wire.tasks.prune" in {one["task"] for one in CELERY_BEAT_SCHEDULE.values()}
