"""A quick subset of `python -m tests.integration.faults`, and tests that its checker
finds errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.faults.invariants import (
    Prepared,
    RequestFacts,
    differences,
    forgotten,
    gaps,
    plan_differences,
)
from tests.integration.faults.scenario import (
    FAULTS,
    MAX_FAULTS,
    Scenario,
    from_seed,
    parse,
    single_faults,
)
from tests.integration.faults.world import World, world

QUICK = (
    "kill web at ask",
    "kill signal-1 at live",
    "kill redis at ask",
    "restart postgres at live",
    "crash northgate at live",
    "forget northgate at extend",
    "clock signal-2 at live",
    "refuse-writes redis at ask",
    "refuse-writes postgres at live",
)
SEEDS = (11, 12)

ASKED = RequestFacts(
    name="acme 1",
    label="run 1 a",
    prefix="203.0.113.1/32",
    subscriptions=("north", "tide"),
    strategy="parallel",
    is_terminated=False,
)


@pytest.fixture(scope="module")
def everything() -> Iterator[World]:
    with world() as opened:
        yield opened


@pytest.mark.parametrize(
    "scenario",
    [*(one for one in single_faults() if one.name in QUICK), *map(from_seed, SEEDS)],
    ids=lambda scenario: scenario.name,
)
def test_no_request_is_lost_and_every_page_is_true(everything: World, scenario: Scenario) -> None:
    assert everything.run(scenario) == [], f"\n{scenario}"


def test_the_quick_set_is_complete() -> None:
    assert set(QUICK) <= {one.name for one in single_faults()}


def test_a_seed_reproduces_its_scenario_and_the_printed_form_parses() -> None:
    one = from_seed(7)

    assert one == from_seed(7) != from_seed(8)
    assert parse(one.name, str(one).splitlines()) == one


def test_seeds_reach_every_fault_and_stay_short() -> None:
    scenarios = [from_seed(seed) for seed in range(500)]

    assert {kind for one in scenarios for kind, _ in one.faults} == set(FAULTS)
    assert all(1 <= len(one.faults) <= MAX_FAULTS for one in scenarios)


def mitigation(subscription: str, mid: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "subscription": subscription,
        "mid": mid,
        "status": "mitigating",
        "dots_status": 2,
    } | more


def shown(*mitigations: dict[str, Any], status: str = "mitigating") -> dict[str, Any]:
    return {"status": status, "mitigations": mitigations}


def held(mid: int = 1, status: int = 2) -> dict[str, Any]:
    return {"mid": mid, "status": status, "scope": {"target-prefix": [ASKED.prefix]}}


BOTH = (mitigation("north"), mitigation("tide"))
TERMINATED = replace(ASKED, is_terminated=True)


def test_the_checker_passes_a_healthy_stack() -> None:
    assert differences(ASKED, [shown(*BOTH)], {"north": [held()], "tide": [held()]}) == []
    over = shown(*BOTH, status="terminated")
    assert differences(TERMINATED, [over], {"north": [held(status=6)], "tide": []}) == []


@pytest.mark.parametrize(
    ("found", "north", "tide", "asked"),
    [
        pytest.param([], [held()], [held()], ASKED, id="lost"),
        pytest.param([shown(*BOTH)] * 2, [held()], [held()], ASKED, id="asked twice"),
        pytest.param(
            [shown(mitigation("north"))], [held()], [], ASKED, id="a provider never asked"
        ),
        pytest.param([shown(*BOTH)], [held()], [], ASKED, id="not held"),
        pytest.param([shown(*BOTH)], [held()], [held(), held(2)], ASKED, id="two mids"),
        pytest.param([shown(*BOTH)], [held(status=1)], [held()], ASKED, id="another status"),
        pytest.param([shown(*BOTH, status="failing")], [held()], [held()], ASKED, id="failing"),
        pytest.param(
            [shown(mitigation("north"), mitigation("tide", status="refused"))],
            [held()],
            [held()],
            ASKED,
            id="shown as refused",
        ),
        pytest.param(
            [shown(mitigation("north"), mitigation("tide", status="pending"))],
            [held()],
            [held()],
            ASKED,
            id="shown as pending",
        ),
        pytest.param([shown(*BOTH, status="terminated")], [held()], [], TERMINATED, id="goes on"),
        pytest.param([shown(*BOTH, status="terminating")], [], [], TERMINATED, id="never ends"),
    ],
)
def test_the_checker_finds_errors(
    found: list[dict[str, Any]],
    north: list[dict[str, Any]],
    tide: list[dict[str, Any]],
    asked: RequestFacts,
) -> None:
    assert differences(asked, found, {"north": north, "tide": tide})


PLAN = Prepared(plan_id="p", organization="acme", prefix=ASKED.prefix)
STARTED = replace(PLAN, started_at=frozenset({"north"}))
DISCARDED = replace(PLAN, is_discarded=True)
IN_STANDBY = {
    "request": shown(
        mitigation("north", dots_status=8, provider="North Inc."),
        mitigation("tide", dots_status=2, provider="Tide"),
        status="standby",
    )
}
FILTERS = {
    "request": shown(
        mitigation("north", dots_status=2, provider="North Inc."),
        mitigation("tide", dots_status=8, provider="Tide"),
    )
}


@pytest.mark.parametrize(
    ("plan", "shown", "held_there"),
    [
        pytest.param(PLAN, IN_STANDBY, [held(status=8)], id="in standby"),
        pytest.param(STARTED, FILTERS, [held(status=2)], id="started"),
        pytest.param(DISCARDED, None, [], id="turned off"),
        pytest.param(DISCARDED, None, [held(status=6)], id="turned off and ended"),
    ],
)
def test_the_checker_accepts_a_plan_that_is_held_as_shown(
    plan: Prepared, shown: dict[str, Any] | None, held_there: list[dict[str, Any]]
) -> None:
    assert plan_differences(plan, shown, {"north": held_there}) == []


@pytest.mark.parametrize(
    ("plan", "shown", "held_there"),
    [
        pytest.param(PLAN, IN_STANDBY, [], id="not held"),
        pytest.param(PLAN, IN_STANDBY, [held(status=2)], id="filters, and nobody says so"),
        pytest.param(PLAN, FILTERS, [held(status=8)], id="does not filter, and is shown to"),
        pytest.param(PLAN, IN_STANDBY, [held(status=8), held(2, 8)], id="held twice"),
        pytest.param(STARTED, IN_STANDBY, [held(status=8)], id="made to stop"),
        pytest.param(DISCARDED, None, [held(status=8)], id="kept after it was turned off"),
    ],
)
def test_the_checker_finds_errors_of_a_plan(
    plan: Prepared, shown: dict[str, Any] | None, held_there: list[dict[str, Any]]
) -> None:
    assert plan_differences(plan, shown, {"north": held_there})


def unknown(mid: int) -> dict[str, Any]:
    return {"mid": mid, "targets": {"prefixes": [ASKED.prefix]}}


def test_the_checker_finds_mitigations_a_restored_database_does_not_know() -> None:
    assert forgotten(ASKED.prefix, [held(4)], [unknown(4)]) == []
    assert forgotten(ASKED.prefix, [held(4, status=6)], []) == []
    assert forgotten(ASKED.prefix, [], []) == []

    assert forgotten(ASKED.prefix, [held(4)], [])
    assert forgotten(ASKED.prefix, [held(4)], [unknown(5)])


def test_the_checker_finds_a_gap() -> None:
    assert gaps(3, [4, 5, 6]) == gaps(3, []) == []
    assert gaps(3, [4, 6]) == ["events: 6 follows where 5 should"]
    assert gaps(3, [4, 4]) == ["events: 4 follows where 5 should"]
