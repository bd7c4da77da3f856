from __future__ import annotations

from datetime import timedelta

import pytest

from portal.readiness.checks import prepared
from portal.readiness.checks.prepared import DrillFacts, DrillPart, HolderFacts
from portal.readiness.rows import State
from tests.portal.readiness.conftest import NOW

PASS, WARN = State.PASS, State.WARN


def holder(short: str, *, is_held: bool = True, is_active: bool = False) -> HolderFacts:
    at = NOW - timedelta(minutes=4)
    return HolderFacts(short=short, is_held=is_held, is_active=is_active, reported_at=at)


@pytest.mark.parametrize(
    ("holders", "state", "evidence"),
    [
        (
            [holder("Northgate"), holder("Tidewall")],
            PASS,
            "Both providers hold it. Confirmed 4\u00a0min ago.",
        ),
        ([holder("Northgate")], PASS, "Northgate holds it. Confirmed 4\u00a0min ago."),
        (
            [holder("Northgate"), holder("Tidewall", is_held=False)],
            WARN,
            (
                "Northgate holds it. Tidewall has not confirmed that it holds it. Confirmed "
                "4\u00a0min ago."
            ),
        ),
        ([holder("Tidewall", is_held=False)], WARN, "Tidewall has not confirmed that it holds it."),
        ([], WARN, "No provider was asked to hold it."),
        (
            [holder("Northgate", is_held=False, is_active=True)],
            PASS,
            "Northgate reported that the plan was activated.",
        ),
    ],
)
def test_a_plan_names_the_providers_that_hold_it(
    holders: list[HolderFacts], state: State, evidence: str
) -> None:
    row = prepared.plan("Shop, full flood", "p", holders, NOW, None)

    assert (row.state, row.evidence) == (state, evidence)
    assert row.question == "Standby plan “Shop, full flood”"
    assert bool(row.clause) == (state != PASS)


def drill(
    days: float, *, failure: str = "", is_over: bool = True, confirmed_s: float | None = 1.4
) -> DrillFacts:
    northgate = DrillPart(name="Northgate Scrubbing", short="Northgate", confirmed_s=0.4)
    tidewall = DrillPart(
        name="Tidewall", short="Tidewall", confirmed_s=confirmed_s, failure=failure
    )
    started_at = NOW - timedelta(days=days)
    return DrillFacts(started_at=started_at, by="bob", is_over=is_over, parts=(northgate, tidewall))


def test_a_passed_drill_is_evidence_with_its_age_and_slowest_time() -> None:
    row = prepared.drill(drill(3), drill(3), NOW, None)

    assert row.state == PASS
    assert row.evidence == (
        "In the last drill that passed, 3\u00a0days ago, both providers confirmed within "
        "1.4\u00a0s."
    )


@pytest.mark.parametrize(("days", "state"), [(30, PASS), (30.1, WARN)])
def test_a_drill_is_outdated_after_thirty_days(days: float, state: State) -> None:
    assert prepared.drill(drill(days), drill(days), NOW, None).state == state


def test_nothing_is_proven_without_a_drill() -> None:
    row = prepared.drill(None, None, NOW, None)

    assert (row.state, row.clause) == (WARN, "no drill has passed yet")


def test_a_failure_after_a_success_comes_first() -> None:
    failed = drill(1, failure="Tidewall did not confirm in time.", confirmed_s=None)

    row = prepared.drill(failed, drill(3), NOW, None)

    assert row.state == WARN
    assert row.evidence.startswith(
        "The drill yesterday at 03:27 did not pass. Tidewall did not confirm in time."
    )
    assert "3\u00a0days ago" in row.evidence


def test_the_previous_drill_stays_evidence_while_one_is_running() -> None:
    row = prepared.drill(drill(0, is_over=False), drill(3), NOW, None)

    assert row.state == PASS
    assert row.evidence.startswith("A drill is running. In the last drill that passed")


def test_short_times_have_one_decimal() -> None:
    assert prepared.seconds(0.44) == "0.4\u00a0s"
    assert prepared.seconds(12.3) == "12\u00a0s"
    assert prepared.seconds(None) == ""
