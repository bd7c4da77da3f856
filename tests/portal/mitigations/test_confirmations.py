"""When the first confirmation of a request decides nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from portal.core.targets import Targets
from portal.mitigations.models import Mitigation, MitigationRequest, RequestKind, Wanted
from portal.mitigations.services import changes_status_only
from portal.mitigations.states import Status
from tests.portal.mitigations.rows import NOW

WHOLE = Targets.saved(prefixes=("203.0.113.0/25", "203.0.113.128/25"))
PART = Targets.saved(prefixes=("203.0.113.0/25",))


@pytest.mark.parametrize(
    ("changes", "of_request"),
    [
        ({"status": Status.STANDBY}, {}),
        ({"status": Status.REFUSED}, {}),
        ({"wanted": Wanted.WITHDRAWN}, {}),
        ({"confirmed_at": NOW}, {}),
        ({"setbacks": 1}, {}),
        ({"refresh_asked_at": NOW}, {}),
        ({"hold_again": True}, {}),
        ({"scope": PART}, {}),
        ({}, {"kind": RequestKind.STANDBY}),
        ({}, {"kind": RequestKind.DRILL}),
        ({}, {"auto_renew": False}),
    ],
)
def test_a_confirmation_that_decides_more_is_not_saved_with_others(
    changes: dict[str, Any], of_request: dict[str, Any]
) -> None:
    assert changes_status_only(mitigation())
    assert not changes_status_only(mitigation(changes, of_request))


def test_the_confirmation_of_an_indefinite_request_sets_no_end() -> None:
    assert changes_status_only(mitigation(of_request={"auto_renew": False, "lifetime_s": -1}))


def mitigation(
    changes: dict[str, Any] | None = None, of_request: dict[str, Any] | None = None
) -> Mitigation:
    request = MitigationRequest(
        **{"lifetime_s": 3600, "auto_renew": True, "scope": WHOLE, **(of_request or {})}
    )
    return Mitigation(**{"request": request, "scope": WHOLE, **(changes or {})})
