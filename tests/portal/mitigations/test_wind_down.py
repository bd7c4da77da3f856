"""How long a provider may take to end a mitigation after it confirmed the withdrawal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.mitigations.models import Mitigation
from portal.mitigations.states import Status
from portal.mitigations.wind_down import has_stopped, winds_down_until

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)
BEFORE = NOW - timedelta(seconds=60)
# RFC 9132 section 4.4.4
AT_MOST = timedelta(seconds=300)
MOMENT = timedelta(microseconds=1)


def ending(status: Status = Status.TERMINATING, **columns: Any) -> Mitigation:
    return Mitigation(status=status, **columns)


@pytest.mark.parametrize(
    ("mitigation", "expected"),
    [
        (ending(), False),
        (ending(withdrawal_confirmed_at=NOW - AT_MOST + MOMENT), False),
        (ending(withdrawal_confirmed_at=NOW - AT_MOST), True),
        (ending(withdrawal_confirmed_at=NOW - AT_MOST - MOMENT), True),
        (ending(Status.TERMINATED), True),
        (ending(Status.EXPIRED, withdrawal_confirmed_at=NOW), True),
    ],
)
def test_a_provider_has_stopped_when_it_ended_or_its_time_is_over(
    mitigation: Mitigation, expected: bool
) -> None:
    assert has_stopped(mitigation, now=NOW) is expected


@pytest.mark.parametrize(
    ("mitigation", "until"),
    [
        (ending(), None),
        (ending(withdrawal_confirmed_at=NOW), NOW + AT_MOST),
        (ending(dots_status=5, reported_at=NOW), NOW + AT_MOST),
        (ending(dots_status=2, reported_at=NOW), None),
        (ending(dots_status=6, reported_at=NOW), None),
        (ending(dots_status=5, reported_at=NOW, withdrawal_confirmed_at=BEFORE), BEFORE + AT_MOST),
        (ending(Status.TERMINATED, withdrawal_confirmed_at=NOW), None),
        (ending(Status.MITIGATING, dots_status=5, reported_at=NOW), None),
    ],
)
def test_the_time_to_wind_down_begins_with_the_confirmation_or_else_the_report(
    mitigation: Mitigation, until: datetime | None
) -> None:
    assert winds_down_until(mitigation) == until
