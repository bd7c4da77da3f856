from __future__ import annotations

import itertools

import pytest

from dots_client import LocalProtocolError, MitigationStatus
from dots_server.lifecycle import (
    MITIGATOR_MAY_ENTER,
    TERMINAL,
    TRANSITIONS,
    Trigger,
    check_mitigator,
    next_status,
)


@pytest.mark.parametrize(("status", "trigger"), list(itertools.product(MitigationStatus, Trigger)))
def test_every_pair_is_in_the_table_or_refused(status: MitigationStatus, trigger: Trigger) -> None:
    if (status, trigger) in TRANSITIONS:
        assert next_status(status, trigger) is TRANSITIONS[status, trigger]
    else:
        with pytest.raises(LocalProtocolError, match=trigger.name):
            next_status(status, trigger)


@pytest.mark.parametrize("before", MitigationStatus)
def test_a_mitigator_moves_only_running_mitigations_and_only_to_a_following_status(
    before: MitigationStatus,
) -> None:
    allowed = set()
    for after in MitigationStatus:
        try:
            check_mitigator(before, after)
        except LocalProtocolError as error:
            assert before.name in str(error)  # noqa: PT017 - both outcomes are checked
        else:
            allowed.add(after)

    expected = {2, 3, 4, 7} - {before} if before in (1, 2, 4) else set()
    assert allowed == {MitigationStatus(status) for status in expected}


def test_every_status_can_be_reached() -> None:
    reached = {MitigationStatus.IN_PROGRESS, MitigationStatus.SIGNAL_LOSS}
    for _ in MitigationStatus:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
        reached |= {after for before in reached for after in MITIGATOR_MAY_ENTER.get(before, ())}

    assert reached == set(MitigationStatus)


def test_only_terminated_is_terminal() -> None:
    assert {MitigationStatus.TERMINATED} == TERMINAL


@pytest.mark.rule("SS-055")
def test_a_mitigation_that_the_server_withdrew_has_no_terminating_period() -> None:
    assert (
        next_status(MitigationStatus.WITHDRAWN, Trigger.CLIENT_WITHDREW)
        is MitigationStatus.TERMINATED
    )
