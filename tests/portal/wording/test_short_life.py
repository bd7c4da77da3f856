"""What the card of a live request says about its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal import wording
from portal.mitigations.models import MitigationRequest, RequestKind
from portal.mitigations.states import RequestStatus
from portal.web.requests.described import short_life

NOW = datetime(2026, 10, 7, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "status", "is_renewed"),
    [
        (RequestKind.IMMEDIATE, RequestStatus.MITIGATING, True),
        (RequestKind.STANDBY, RequestStatus.STANDBY, True),
        (RequestKind.STANDBY, RequestStatus.MITIGATING, False),
    ],
)
def test_the_card_does_not_claim_that_a_provider_activated_plan_renews_itself(
    kind: RequestKind, status: RequestStatus, *, is_renewed: bool
) -> None:
    request = MitigationRequest(kind=kind, status=status, lifetime_s=3600, auto_renew=True)
    asked = wording.RequestFacts(
        name="Shop", status=status, mitigations=(), ends_at=NOW + timedelta(hours=1)
    )

    assert short_life(request, asked, NOW) == (
        "Ends 04:00, renews automatically" if is_renewed else "Ends 04:00"
    )
