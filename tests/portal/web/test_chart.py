from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.web.requests import chart
from portal.web.requests.chart import Sample, Series
from portal.web.requests.chart_ticks import MOST, ticks

START = datetime(2026, 10, 6, 3, 12, tzinfo=UTC)
END = START + timedelta(minutes=16)


def every_10_s(first_s: int, last_s: int, bits_per_s: int) -> tuple[Sample, ...]:
    return tuple(
        Sample(START + timedelta(seconds=second), Decimal(bits_per_s // 8))
        for second in range(first_s, last_s, 10)
    )


def draw(*series: Series, unit: str = "bit") -> chart.Chart:
    drawn = chart.draw(series, start=START, end=END, unit=unit)
    assert drawn is not None
    return drawn


def points(path: str) -> list[tuple[float, float]]:
    cleaned = path.replace("M", " ").replace("L", " ").replace("Z", " ").split()
    numbers = [float(one) for one in cleaned]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_no_chart_is_drawn_without_reports() -> None:
    assert chart.draw([Series("Northgate", ())], start=START, end=END, unit="bit") is None


def test_areas_are_stacked_in_the_order_of_the_providers() -> None:
    drawn = draw(
        Series("Northgate", every_10_s(0, 960, 3_000_000_000)),
        Series("Tidewall", every_10_s(0, 960, 1_500_000_000)),
    )

    lower, upper = drawn.bands
    assert drawn.y_labels == ("4.5 Gbit/s", "3", "1.5", "0")
    assert {round(y) for _, y in points(lower.line)} == {67}
    assert {round(y) for _, y in points(upper.line)} == {0}
    assert (lower.pattern, upper.pattern) == ("a", "b")
    assert (lower.latest, upper.latest) == ("3\u00a0Gbit/s", "1.5\u00a0Gbit/s")


def test_a_missing_report_is_a_gap_between_dashed_lines() -> None:
    samples = (*every_10_s(0, 400, 8_000_000), *every_10_s(600, 960, 8_000_000))

    drawn = draw(Series("Northgate", samples))

    [band] = drawn.bands
    assert band.line.count("M") == 2
    assert drawn.gaps.count("M") == 2
    assert drawn.silent == ("Northgate",)
    assert not [x for x, _ in points(band.line) if 310 < x < 445]
    assert "No report from Northgate between 03:18:30 and 03:22:00." in drawn.summary


def test_silence_until_now_is_a_gap_too() -> None:
    drawn = draw(Series("Northgate", every_10_s(0, 400, 8_000_000)))

    assert max(x for x, _ in points(drawn.bands[0].line)) < 310
    assert drawn.gaps.endswith("M720 0V200")


def test_nothing_is_drawn_before_the_first_report() -> None:
    drawn = draw(Series("Northgate", every_10_s(480, 960, 8_000_000)))

    assert min(x for x, _ in points(drawn.bands[0].line)) == 360


def test_providers_from_the_fifth_on_are_summed() -> None:
    series = [Series(f"Provider {n}", every_10_s(0, 960, 1_000_000)) for n in range(7)]

    drawn = draw(*series)

    assert [band.name for band in drawn.bands][-1] == "Others"
    assert [band.pattern for band in drawn.bands] == ["a", "b", "c", "d", "e"]
    assert drawn.bands[-1].latest == "3\u00a0Mbit/s"


def test_the_table_contains_the_numbers_of_the_chart() -> None:
    samples = (*every_10_s(0, 400, 8_000_000), *every_10_s(600, 960, 8_000_000))
    drawn = draw(Series("Northgate", samples), Series("Tidewall", every_10_s(0, 960, 16_000_000)))

    assert len(drawn.table) <= chart.TABLE_ROWS + 2
    assert drawn.table[0] == ("03:28:00", ("8\u00a0Mbit/s", "16\u00a0Mbit/s"))
    assert ("no report", "16\u00a0Mbit/s") in [cells for _, cells in drawn.table]


@pytest.mark.parametrize("age_s", [0, 5, 40])
def test_the_chart_of_a_new_request_ends_now(age_s: int) -> None:
    end = START + timedelta(seconds=age_s)

    drawn = chart.draw(
        [Series("Northgate", every_10_s(0, 1, 8_000_000))], start=START, end=end, unit="bit"
    )

    assert drawn is not None
    times = [at for at, _ in drawn.table]
    assert times[0] == f"03:12:{age_s:02}"
    assert times == sorted(set(times), reverse=True)


def test_packets_have_their_own_axis() -> None:
    drawn = draw(Series("Northgate", every_10_s(0, 960, 8 * 412_000)), unit="packet")

    assert drawn.bands[0].latest == "412,000\u00a0packets/s"
    assert drawn.y_labels[0] == "450,000 packets/s"


@pytest.mark.parametrize(
    ("largest", "top"), [(0, 3), (1, 1.125), (375, 375), (376, 562.5), (540_000_000, 562_500_000)]
)
def test_the_axis_ends_at_a_round_number(largest: int, top: float) -> None:
    assert chart.nice_top(Decimal(largest), "bit") == Decimal(str(top))


def test_a_sparkline_breaks_where_nothing_was_reported() -> None:
    samples = (*every_10_s(0, 400, 8_000_000), *every_10_s(600, 960, 8_000_000))

    assert chart.spark(samples, start=START, end=END).count("M") == 2
    assert chart.spark(samples[:1], start=START, end=END) == ""


def test_axis_labels_within_one_minute_include_seconds() -> None:
    series = [Series("Northgate", every_10_s(0, 60, 8_000_000))]

    long = chart.draw(series, start=START, end=END, unit="bit")
    short = chart.draw(series, start=START, end=START + timedelta(seconds=40), unit="bit")

    assert long is not None
    assert short is not None
    assert [one.words for one in long.ticks] == ["03:15", "03:20", "03:25"]
    assert [one.words for one in short.ticks] == [
        *("03:12:00", "03:12:10", "03:12:20", "03:12:30", "03:12:40"),
    ]


@given(
    later=st.timedeltas(timedelta(0), timedelta(days=365)),
    length=st.timedeltas(timedelta(minutes=5), timedelta(days=60)),
    zone=st.sampled_from(["UTC", "Europe/Prague", "Asia/Kolkata"]),
)
def test_ticks_are_whole_minutes_inside_the_chart(
    later: timedelta, length: timedelta, zone: str
) -> None:
    start = START + later
    with timezone.override(zone):
        found = ticks(start, start + length)

    places = [float(one.x.removesuffix("%")) for one in found]
    exact = [(start + length * place / 100).timestamp() % 60 for place in places]
    slack_s = length.total_seconds() / 1000
    assert 1 <= len(found) <= MOST
    assert places == sorted(places)
    assert all(0 <= one <= 100 for one in places)
    assert all(min(one, 60 - one) <= slack_s for one in exact)


def test_the_sparkline_of_a_new_request_fills_its_width() -> None:
    samples = every_10_s(900, 960, 8_000_000)

    assert chart.spark(samples, start=START, end=END).startswith("M0 ")


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def test_repeated_equal_reports_are_not_a_gap() -> None:
    steady = (Sample(at(0), Decimal(8)), Sample(at(900), Decimal(8), is_repeat=True))

    drawn = draw(Series("Northgate", steady))

    assert drawn.bands[0].line.count("M") == 1
    assert drawn.gaps == ""


@pytest.mark.parametrize("value", [0, 8])
def test_equal_reports_with_silence_between_them_leave_a_gap(value: int) -> None:
    samples = (Sample(at(0), Decimal(value)), Sample(at(900), Decimal(value)))

    assert draw(Series("Northgate", samples)).bands[0].line.count("M") == 2


def test_repeated_reports_of_several_providers_are_summed() -> None:
    first = (Sample(at(0), Decimal(8)), Sample(at(300), Decimal(8), is_repeat=True))
    second = (Sample(at(200), Decimal(1)),)

    assert chart.summed([first, second]) == (
        Sample(at(0), Decimal(8)),
        Sample(at(200), Decimal(9)),
        Sample(at(300), Decimal(8), is_repeat=True),
    )
