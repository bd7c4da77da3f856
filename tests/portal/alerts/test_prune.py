from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal.alerts.models import AlertPayload, ReceivedAlert
from portal.alerts.services import prune as pruning
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from tests.portal.alerts.conftest import Detector
from tests.portal.alerts.reported import NOW, report


def test_old_and_too_many_alerts_are_deleted(
    detector: Detector, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PORTAL_ALERT_DAYS = 10
    monkeypatch.setattr(pruning, "MAX_ALERTS", 2)
    monkeypatch.setattr(pruning, "MAX_REJECTED", 1)
    for number in range(4):
        report(detector, at=number, id=f"a-{number}")
        accept(detector.endpoint, b'{"pps": -1}', NOW + timedelta(seconds=number))
        map_waiting()

    pruning.prune(NOW + timedelta(days=1))
    assert set(ReceivedAlert.objects.values_list("event_id", flat=True)) == {"a-2", "a-3"}
    assert AlertPayload.objects.get().received_at == NOW + timedelta(seconds=3)
    accept(detector.endpoint, b'{"id": "waits"}', NOW)
    pruning.prune(NOW + timedelta(days=11))

    assert not ReceivedAlert.objects.exists()
    assert AlertPayload.objects.get().is_waiting
