from __future__ import annotations

from ipaddress import ip_network
from uuid import uuid4

import pytest

from portal.core.targets import Targets
from portal.mitigations.validation import MAX_TARGETS, AssignedScope, EligibleProvider, assign_scope
from portal.readiness.checks import targets
from portal.readiness.rows import Destination, Link, State

FORM = Link("Request some", Destination.NEW_REQUEST)


@pytest.mark.parametrize(
    ("verified", "unverified", "state", "evidence"),
    [
        (9, [], State.PASS, "9 of 9."),
        (8, ["Mail"], State.WARN, "8 of 9. Portal staff have not verified Mail yet."),
        (0, ["Mail"], State.FAIL, "0 of 1. Portal staff have not verified Mail yet."),
        (0, [], State.FAIL, "There are none yet. Portal staff verify resources."),
        (
            1,
            ["a", "b", "c", "d", "e"],
            State.WARN,
            "1 of 6. Portal staff have not verified a, b, c and 2 more yet.",
        ),
    ],
)
def test_resources_count_when_they_are_verified(
    verified: int, unverified: list[str], state: State, evidence: str
) -> None:
    row = targets.resources(verified, unverified)

    assert (row.state, row.evidence) == (state, evidence)
    assert bool(row.clause) == (state != State.PASS)


def assigned(
    *prefixes: str,
    provider: str = "Northgate",
    limited_to: str = "",
    most: int | None = None,
    fqdns: tuple[str, ...] = (),
) -> AssignedScope:
    eligible = EligibleProvider(
        subscription=uuid4(),
        name=provider,
        max_targets=most,
        limited_to=(ip_network(limited_to),) if limited_to else (),
    )
    scope = Targets.saved(prefixes=prefixes, fqdns=fqdns)
    return assign_scope(eligible, scope, port_ranges=0)


SHOP, API = "203.0.113.0/26", "198.51.100.0/24"
NAMES = {SHOP: "Shop", API: "API"}


def test_a_target_with_a_provider_names_the_provider() -> None:
    everything = assigned(SHOP, API)
    some = assigned(SHOP, API, provider="Tidewall", limited_to="203.0.113.0/24")

    row = targets.coverage(NAMES, [everything, some])

    assert row.state == State.PASS
    assert row.evidence == "Northgate may protect all 2. Tidewall may protect 1 of 2."


def test_a_target_no_provider_may_protect_is_named_with_the_reason() -> None:
    row = targets.coverage(NAMES, [assigned(SHOP, API, limited_to="203.0.113.0/24")])

    assert (row.state, row.clause) == (State.FAIL, "no provider may protect API")
    assert row.evidence == (
        "No provider may protect API: Northgate may protect only 203.0.113.0/24."
    )


def test_a_fitting_request_shows_its_size_at_the_provider_with_the_largest() -> None:
    some = assigned(SHOP, API, provider="Tidewall", limited_to="203.0.113.0/24")

    row = targets.size([some, assigned(SHOP, API)], FORM)

    assert row.state == State.PASS
    assert row.evidence == "All 2 resources together: at most 153 of 1,195 bytes, for Northgate."
    assert row.link is None


def test_targets_up_to_the_limit_of_one_request_are_not_too_many() -> None:
    many = [f"203.0.113.{n}/32" for n in range(MAX_TARGETS)]

    assert targets.size([assigned(*many)], FORM).state == State.PASS
    row = targets.size([assigned(*many, API)], FORM)
    assert row.state == State.WARN
    assert "33 resources are verified; one request fits at most 32\u00a0targets." in row.evidence
    assert row.link == FORM


def test_the_strictest_provider_decides() -> None:
    row = targets.size(
        [assigned(SHOP, API, most=5), assigned(SHOP, API, provider="T", most=1)], FORM
    )

    assert row.state == State.WARN
    assert "T accepts at most 1\u00a0target." in row.evidence


def test_targets_a_provider_may_not_protect_do_not_count_against_its_limit() -> None:
    small = assigned(SHOP, API, most=1, limited_to="203.0.113.0/24")

    assert targets.size([small], FORM).state == State.PASS


def test_long_names_may_not_fit_one_message() -> None:
    row = targets.size(
        [assigned(fqdns=tuple(f"{'x' * 60}.{'y' * 60}.{'z' * 60}.example{n}" for n in range(6)))],
        FORM,
    )

    assert row.state == State.WARN
    assert "of 1,195 bytes" in row.evidence
