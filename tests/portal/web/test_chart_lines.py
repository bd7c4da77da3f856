"""Lines of what detectors reported, in the chart of dropped traffic."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from portal.alerts.rates import MAX_RATES
from portal.web.requests import chart
from portal.web.requests.chart import Series
from portal.web.requests.chart_lines import STYLES, Detected, DetectorReport
from tests.portal.web.test_chart import END, START, every_10_s

GIGABIT = Decimal(1_000_000_000 // 8)


def reported(first_s: float, last_s: float, gigabits: int) -> DetectorReport:
    return DetectorReport(
        START + timedelta(seconds=first_s), START + timedelta(seconds=last_s), GIGABIT * gigabits
    )


def draw(*reports: DetectorReport, series: tuple[Series, ...] = ()) -> chart.Chart:
    edge = Detected("Edge (203.0.113.7/32)", reports)
    drawn = chart.draw(series, start=START, end=END, unit="bit", detected=[edge])
    assert drawn is not None
    return drawn


def test_one_report_is_a_dot_and_claims_no_time() -> None:
    [line] = draw(reported(480, 480, 3)).lines

    assert line.dots == "M360 0h0"
    assert line.path == "M360 0H360"
    assert line.latest == "3\u00a0Gbit/s"
    assert line.is_old


def test_reports_are_joined_and_a_silence_is_a_gap() -> None:
    [line] = draw(reported(0, 120, 1), reported(150, 240, 3), reported(480, 480, 3)).lines

    assert line.path == "M0 133.3H90L112.5 0H180M360 0H360"
    assert line.dots.count("M") == 3


def test_a_repeated_report_is_a_line_until_the_last_repeat() -> None:
    [line] = draw(reported(0, 950, 3)).lines

    assert line.path == "M0 0H712.5"
    assert not line.is_old


def test_the_axis_has_room_for_the_attack() -> None:
    dropped = (Series("Northgate", every_10_s(0, 960, 1_500_000_000)),)

    drawn = draw(reported(0, 960, 12), series=dropped)

    assert drawn.y_labels == ("12 Gbit/s", "8", "4", "0")
    assert len(drawn.bands) == 1


def test_reports_from_before_the_chart_are_only_the_latest() -> None:
    dropped = (Series("Northgate", every_10_s(0, 960, 1_500_000_000)),)

    drawn = draw(reported(-500, -400, 12), series=dropped)

    [line] = drawn.lines
    assert (line.path, line.dots, line.latest) == ("", "", "12\u00a0Gbit/s")
    assert line.is_old
    assert drawn.y_labels[0] == "1.5 Gbit/s"
    assert "Edge" not in drawn.summary


def test_later_reports_than_the_end_are_not_shown() -> None:
    later = END + timedelta(seconds=1) - START

    [line] = draw(reported(0, 60, 3), reported(later.total_seconds(), 2000, 9)).lines

    assert line.latest == "3\u00a0Gbit/s"
    assert line.latest_at == START + timedelta(seconds=60)


def test_a_report_older_than_the_chart_is_drawn_from_its_start() -> None:
    [line] = draw(reported(-60, 480, 3)).lines

    assert line.path == "M0 0H360"
    assert line.dots == ""


def test_no_chart_is_drawn_of_older_reports_alone() -> None:
    old = Detected("Edge (203.0.113.7/32)", (reported(-500, -400, 12),))

    assert chart.draw([], start=START, end=END, unit="bit", detected=[old]) is None


def test_a_summary_says_who_reported_what_and_when() -> None:
    summary = draw(reported(0, 120, 12), reported(150, 240, 3)).summary

    assert summary == (
        "Edge (203.0.113.7/32) last reported an attack of 3\u00a0Gbit/s, at 03:16:00, and at most "
        "12\u00a0Gbit/s. No provider reported dropped traffic from 03:12 to 03:28."
    )


def test_the_table_has_each_report_once_and_says_where_none_was() -> None:
    dropped = (Series("Northgate", every_10_s(0, 960, 1_500_000_000)),)

    drawn = draw(reported(250, 250, 12), series=dropped)

    said = [cells[0] for _, cells in drawn.table]
    assert said.count("12\u00a0Gbit/s") == 1
    assert said.count("no report") == len(said) - 1
    assert {cells[1] for _, cells in drawn.table} == {"1.5\u00a0Gbit/s"}


@pytest.mark.parametrize("detectors", [len(STYLES), len(STYLES) + 4])
def test_a_chart_has_a_bounded_number_of_lines_and_points(detectors: int) -> None:
    reports = tuple(reported(n * 15, n * 15 + 1, n + 1) for n in range(MAX_RATES))
    detected = [Detected(f"Detector {n}", reports) for n in range(detectors)]

    drawn = chart.draw([], start=START, end=END, unit="bit", detected=detected)

    assert drawn is not None
    assert [line.style for line in drawn.lines] == list(STYLES)
    assert all(line.dots.count("M") <= MAX_RATES for line in drawn.lines)
    assert all(len(cells) == len(STYLES) for _, cells in drawn.table)
