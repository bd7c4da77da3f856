"""Reports that only change numbers are cheap, and never claim more than the row does by then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from portal.core.increment_returning import increment_returning
from portal.events.models import EventCounter
from portal.mitigations import services
from portal.mitigations.models import Mitigation, ProviderConflict
from portal.mitigations.services import ProviderReport
from portal.mitigations.states import Trigger
from tests.portal.mitigations.conftest import Submit

pytestmark = pytest.mark.sqlite

NOW = timezone.now()
LATER = NOW + timedelta(seconds=10)
FILTERING = ProviderReport(
    dots_status=2, trigger=Trigger.FILTERING, lifetime_s=3500, bytes_dropped=1000
)
MORE = replace(FILTERING, bytes_dropped=2000)


@pytest.fixture
def mitigation(submit: Submit) -> Mitigation:
    """What Northgate filters."""
    mitigation = submit().mitigations.get()
    services.record_sending(mitigation_id=mitigation.pk, now=NOW)
    services.record_confirmed(mitigation_id=mitigation.pk, lifetime_s=3600, asked_at=NOW, now=NOW)
    services.record_report(mitigation_id=mitigation.pk, report=FILTERING, now=NOW)
    return mitigation


@pytest.mark.parametrize(
    ("changes", "is_nothing_new"),
    [
        ({"lifetime_s": 3490}, True),
        ({"lifetime_s": None}, True),
        ({"lifetime_s": 1800}, False),
        ({"lifetime_s": -1}, False),
        ({"bytes_dropped": 1001}, False),
        ({"bytes_dropped": None}, False),
        ({"dots_status": 4, "trigger": Trigger.CAPACITY_EXCEEDED}, False),
        ({"conflict": ProviderConflict(reason="overlap")}, False),
        ({"mitigation_start": NOW}, False),
    ],
)
def test_a_report_that_only_repeats_the_row_is_recognized(
    mitigation: Mitigation, changes: dict[str, Any], is_nothing_new: bool
) -> None:
    row = Mitigation.objects.get(pk=mitigation.pk)

    found = services.says_nothing_new(row, replace(FILTERING, **changes), LATER)

    assert found is is_nothing_new


def test_an_unknown_organization_gets_no_event_number(db: None) -> None:
    assert increment_returning(EventCounter, uuid4(), "last_seq", 1) is None
