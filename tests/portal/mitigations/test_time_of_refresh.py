"""When an extension was asked for, which says whether a PUT includes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portal.mitigations.models import Mitigation
from portal.mitigations.services.refresh import time_of_refresh

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECONDS = st.floats(-5, 5).map(lambda seconds: NOON + timedelta(seconds=seconds))


@given(asked=st.lists(SECONDS, min_size=2, max_size=6), refreshed_at=st.none() | SECONDS)
def test_each_extension_is_after_the_last_refresh_and_the_extension_before(
    asked: list[datetime], refreshed_at: datetime | None
) -> None:
    """`asked`: what the clock of web said, which may stand still or step back."""
    mitigation = Mitigation(refreshed_at=refreshed_at)

    for now in asked:
        before = mitigation.refresh_asked_at
        mitigation.refresh_asked_at = time_of_refresh(mitigation, now)

        assert mitigation.refresh_asked_at >= now
        assert before is None or mitigation.refresh_asked_at > before
        assert mitigation.is_extended
