from __future__ import annotations

import pytest

from portal.readiness.rows import GROUPS, CheckCode, Found, Row, State, answer

PASS, WARN, FAIL = State.PASS, State.WARN, State.FAIL


def row(
    state: State, code: CheckCode = CheckCode.PHONE, clause: str = "Tidewall has no number"
) -> Row:
    return Row(code=code, question="?", found=Found(state, "!", clause))


@pytest.mark.parametrize(
    ("rows", "headline", "counts"),
    [
        ([row(PASS)] * 13, "Ready. All 13 checks pass.", "All 13 checks pass."),
        (
            [*[row(PASS)] * 11, *[row(WARN)] * 2],
            "Ready. Fix two things soon.",
            "11 of 13 checks pass.",
        ),
        ([row(PASS), row(WARN)], "Ready. Fix one thing soon.", "1 of 2 checks pass."),
        (
            [row(PASS), row(WARN), row(FAIL)],
            "Not ready: Tidewall has no number.",
            "1 of 3 checks pass.",
        ),
        (
            [row(FAIL), row(FAIL, clause="no one can send a request")],
            "Not ready: Tidewall has no number. Fix two things now.",
            "0 of 2 checks pass.",
        ),
        (
            [row(FAIL), row(FAIL, CheckCode.SESSION, "Northgate is not connected")],
            "Not ready: no provider is connected. Fix two things now.",
            "0 of 2 checks pass.",
        ),
        (
            [
                row(PASS, CheckCode.SESSION),
                row(FAIL, CheckCode.SESSION, "Northgate is not connected"),
            ],
            "Not ready: Northgate is not connected.",
            "1 of 2 checks pass.",
        ),
    ],
)
def test_the_summary_names_the_worst_check_and_counts_the_rest(
    rows: list[Row], headline: str, counts: str
) -> None:
    answered = answer(rows)

    assert (answered.headline, answered.counts) == (headline, counts)


def test_check_codes_are_stable() -> None:
    assert {code.value for code in CheckCode} == {
        "suspended",
        "subscribed",
        "kept",
        "session",
        "loop",
        "inventory",
        "certificate",
        "trust",
        "phone",
        "resources",
        "coverage",
        "size",
        "routes",
        "plan",
        "drill",
        "requesters",
        "second_factor",
        "admins",
        "receivers",
    }


def test_every_check_belongs_to_a_group() -> None:
    assert set(GROUPS) == set(CheckCode)
