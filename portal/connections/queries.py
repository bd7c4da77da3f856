"""Reads."""

from __future__ import annotations

from datetime import datetime

from portal.connections.models import ConnectionTest
from portal.connections.services.connection_tests import LOST_AFTER
from portal.connections.steps import ConnectionResult
from portal.providers.models import Subscription


def last_test(subscription: Subscription) -> ConnectionTest | None:
    """The newest one, which may still run."""
    return ConnectionTest.objects.filter(subscription=subscription).first()


def result_of(test: ConnectionTest, now: datetime) -> str:
    """Empty while it runs. A test without a result after a while is lost."""
    if not test.is_over and now - test.asked_at > LOST_AFTER:
        return ConnectionResult.LOST
    return test.result
