from __future__ import annotations

import pytest

from dots_client.model import ConflictCause, ConflictInformation
from dots_client.session.conflicts import (
    RetryWindow,
    needs_new_cuid,
    own_winner,
    retry_window,
)


@pytest.mark.rule("SC-046")
@pytest.mark.rule("SC-073")
def test_a_deactivated_request_may_be_sent_from_the_retry_timer_on_for_45_seconds() -> None:
    conflict = ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS, retry_timer_s=600)

    assert retry_window(conflict, now=1000) == RetryWindow(opens_at=1600, closes_at=1645)


def test_without_a_retry_timer_there_is_no_time_to_wait_for() -> None:
    assert retry_window(ConflictInformation(), now=1000) is None


@pytest.mark.rule("SC-072")
def test_the_winner_may_be_a_request_of_the_same_client() -> None:
    mine = ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS, mid=42)
    theirs = ConflictInformation(cause=ConflictCause.OVERLAPPING_TARGETS)
    other = ConflictInformation(cause=ConflictCause.CONFLICT_WITH_ACCEPTLIST, mid=42)

    assert [own_winner(conflict) for conflict in (mine, theirs, other)] == [42, None, None]


@pytest.mark.rule("SC-030")
def test_only_a_collision_needs_a_new_cuid() -> None:
    wanting = [cause for cause in ConflictCause if needs_new_cuid(ConflictInformation(cause=cause))]

    assert wanting == [ConflictCause.CUID_COLLISION]
