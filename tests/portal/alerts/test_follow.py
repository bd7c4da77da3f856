"""What following many proposals costs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.alerts.models import AlertProposal, ProposalState
from portal.alerts.services.follow import follow
from portal.alerts.services.map_waiting import map_waiting
from portal.alerts.services.receive import accept
from tests.portal.alerts.conftest import Detector

NOW = datetime(2026, 11, 28, 18, 0, tzinfo=UTC)


@pytest.mark.usefixtures("acme_northgate")
def test_more_open_proposals_need_no_more_statements(detector: Detector) -> None:
    def statements_with(proposals: int) -> int:
        for number in range(proposals):
            body = {"id": f"a-{number}", "targets": [f"203.0.113.{number}"], "vector": "udp flood"}
            accept(detector.endpoint, json.dumps(body).encode(), NOW)
            map_waiting()
        assert AlertProposal.objects.filter(state=ProposalState.OPEN).count() == proposals
        with CaptureQueriesContext(connection) as captured:
            assert follow(NOW + timedelta(seconds=5)) == 0
        return len(captured)

    assert statements_with(1) == statements_with(8)
