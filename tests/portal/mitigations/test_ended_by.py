"""When the requested lifetime of a request ends, and why it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.mitigations.failover import CLOCKS_APART, ended_by, requested_until
from portal.mitigations.models import (
    EndedBy,
    Mitigation,
    MitigationRequest,
    ReplacedBy,
    RequestKind,
    Wanted,
)
from portal.mitigations.states import RequestStatus, Status

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)
HOUR, MOMENT = timedelta(hours=1), timedelta(microseconds=1)


def request(**columns: Any) -> MitigationRequest:
    return MitigationRequest(**{"auto_renew": False, "lifetime_s": 3600, **columns})


def mitigation(**columns: Any) -> Mitigation:
    """A mitigation that ended an hour after it was confirmed, without a withdrawal."""
    as_asked = {
        "status": Status.TERMINATED,
        "wanted": Wanted.ACTIVE,
        "lifetime_s": 3600,
        "confirmed_at": NOW,
        "ended_at": NOW + HOUR,
    }
    return Mitigation(**{**as_asked, **columns})


WITHDRAWN = {"wanted": Wanted.WITHDRAWN, "withdrawal_asked_at": NOW}
REPLACED = {"wanted": Wanted.WITHDRAWN, "status": Status.WITHDRAWN}
IN_FULL = mitigation(**REPLACED, replaced_by=ReplacedBy(by=(), lost=(), loses=()))
IN_PART = mitigation(**REPLACED, replaced_by=ReplacedBy(by=(), lost=("192.0.2.0/24",), loses=()))
EARLY = mitigation(ended_at=NOW + HOUR - CLOCKS_APART - MOMENT)


@pytest.mark.parametrize(
    ("columns", "mitigations", "why"),
    [
        ({"terminate_asked_at": NOW, "terminate_asked_by_id": 1}, [EARLY], EndedBy.PERSON),
        ({"terminate_asked_at": NOW}, [EARLY], EndedBy.PORTAL),
        ({"status": RequestStatus.EXPIRED}, [EARLY], EndedBy.LIFETIME),
        ({}, [IN_FULL], EndedBy.WIDER_REQUEST),
        ({}, [IN_FULL, IN_PART], EndedBy.NEWER_REQUEST),
        # An earlier release did not record the loss.
        ({}, [IN_FULL, mitigation(**REPLACED)], EndedBy.NEWER_REQUEST),
        ({}, [mitigation(**WITHDRAWN)], EndedBy.PORTAL),
        # A provider that refused holds nothing, so its end does not count.
        ({}, [mitigation(status=Status.REFUSED)], EndedBy.PORTAL),
        ({}, [mitigation(), mitigation(**WITHDRAWN)], EndedBy.LIFETIME),
        ({"auto_renew": True}, [mitigation()], EndedBy.PROVIDER),
        ({}, [mitigation(), EARLY], EndedBy.PROVIDER),
    ],
)
def test_the_first_reason_that_holds_ended_it(
    columns: dict[str, Any], mitigations: list[Mitigation], why: EndedBy
) -> None:
    assert ended_by(request(**columns), mitigations) is why


@pytest.mark.parametrize(
    ("columns", "is_over_by_time"),
    [
        ({"ended_at": NOW + 2 * HOUR}, True),
        ({"ended_at": NOW + HOUR - CLOCKS_APART}, True),
        ({"ended_at": NOW + HOUR - CLOCKS_APART - MOMENT}, False),
        # The last refresh counts, not the first confirmation.
        ({"refreshed_at": NOW + HOUR}, False),
        ({"refreshed_at": NOW + HOUR, "ended_at": NOW + 2 * HOUR}, True),
        ({"confirmed_at": None, "refreshed_at": NOW}, True),
        ({"confirmed_at": None}, False),
        ({"ended_at": None}, False),
        ({"lifetime_s": -1}, False),
    ],
)
def test_a_mitigation_that_lasted_as_long_as_it_was_asked_for_ended_by_time(
    columns: dict[str, Any], is_over_by_time: bool
) -> None:
    why = ended_by(request(), [mitigation(**columns)])

    assert why is (EndedBy.LIFETIME if is_over_by_time else EndedBy.PROVIDER)


@pytest.mark.parametrize(
    ("columns", "mitigations", "until"),
    [
        ({}, [mitigation()], NOW + HOUR),
        ({}, [mitigation(confirmed_at=NOW + HOUR), mitigation()], NOW + HOUR),
        ({}, [mitigation(), mitigation(confirmed_at=None)], NOW + HOUR),
        ({}, [mitigation(refresh_asked_at=NOW + 3 * HOUR), mitigation()], NOW + 4 * HOUR),
        ({}, [mitigation(refresh_asked_at=NOW - HOUR)], NOW + HOUR),
        ({}, [mitigation(confirmed_at=None, refresh_asked_at=NOW)], None),
        ({"auto_renew": True}, [mitigation()], None),
        ({"lifetime_s": -1}, [mitigation()], None),
        ({"kind": RequestKind.STANDBY}, [mitigation()], None),
        ({"kind": RequestKind.DRILL}, [mitigation()], None),
    ],
)
def test_the_requested_lifetime_begins_with_the_first_confirmation_or_the_last_extension(
    columns: dict[str, Any], mitigations: list[Mitigation], until: datetime | None
) -> None:
    assert requested_until(request(**columns), mitigations) == until
