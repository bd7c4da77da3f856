"""Rows of tests of connections, as facts for sentences."""

from __future__ import annotations

from datetime import datetime

from portal.connections.models import ConnectionTest
from portal.connections.queries import result_of
from portal.wording.connection_tests import ProbeFacts


def probe_facts(test: ConnectionTest, now: datetime) -> ProbeFacts:
    result = result_of(test, now)
    return ProbeFacts(
        asked_at=test.asked_at,
        is_taken=test.started_at is not None,
        is_over=bool(result),
        result=result,
        is_of_new_key=test.is_of_new_key,
    )
