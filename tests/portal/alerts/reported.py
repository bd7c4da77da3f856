"""Reports of a detector, mapped at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from portal.alerts.models import ReceivedAlert
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from tests.portal.alerts.conftest import Detector

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)


def report(detector: Detector, *, at: int = 0, **fields: Any) -> ReceivedAlert:
    """Send and map one record, `at` seconds after NOW; returns the newest row."""
    body = json.dumps({"id": "a-1", "targets": ["203.0.113.7"], **fields}).encode()
    accept(detector.endpoint, body, NOW + timedelta(seconds=at))
    assert map_waiting() == 1
    return ReceivedAlert.objects.order_by("-first_at", "-id")[0]
