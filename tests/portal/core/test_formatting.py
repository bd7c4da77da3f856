from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.core import formatting
from portal.core.templatetags.portal import stamp

NOW = datetime(2026, 10, 6, 3, 27, 41, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("octets_per_s", "words"),
    [
        (0, "0 bit/s"),
        (100, "800 bit/s"),
        (387_500_000, "3.1 Gbit/s"),
        (51_250_000, "410 Mbit/s"),
        (124_990_000, "1 Gbit/s"),
        (132_750_000_000, "1.06 Tbit/s"),
    ],
)
def test_stored_bytes_per_second_are_shown_as_bits(octets_per_s: int, words: str) -> None:
    assert plain(formatting.bit_rate(octets_per_s)) == words


@pytest.mark.parametrize(
    ("octets", "words"),
    [(12, "12 bytes"), (347_000_000_000, "347 GB"), (1_061_000_000_000, "1.06 TB")],
)
def test_amounts_are_decimal(octets: int, words: str) -> None:
    assert plain(formatting.amount(octets)) == words


@pytest.mark.parametrize(
    ("packets", "words"), [(412_345, "412,000 packets/s"), (12_345_678, "12.3 million packets/s")]
)
def test_packets_have_three_significant_digits(packets: int, words: str) -> None:
    assert plain(formatting.packet_rate(Decimal(packets))) == words


def test_a_unit_never_wraps_away_from_its_number() -> None:
    texts = [
        formatting.bit_rate(1000),
        formatting.amount(1000),
        formatting.packet_rate(1000),
        formatting.duration(47),
        formatting.lifetime(3600),
    ]

    assert not [text for text in texts if " " in text]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7300, "2 h"), (200_000, "2 days")],
)
def test_short_durations_have_one_unit(seconds: int, words: str) -> None:
    assert plain(formatting.duration(seconds)) == words


def test_long_durations_have_two_units() -> None:
    assert formatting.exact_duration(40 * 60 + 41) == (("40", "min"), ("41", "s"))
    assert formatting.exact_duration(3600) == (("1", "h"),)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3600, "1 hour"),
        (86400, "24 hours"),
        (5400, "90 minutes"),
        (45, "45 seconds"),
        (-1, "until you terminate it"),
    ],
)
def test_lifetimes_read_like_the_choices_in_the_form(seconds: int, words: str) -> None:
    assert plain(formatting.lifetime(seconds)) == words


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


MOMENTS = [
    # at, now, moment, when
    ("2026-10-06T03:12:14", "2026-10-06T23:59:59", "03:12:14", "at 03:12:14"),
    ("2026-10-06T00:00:00", "2026-10-06T00:00:00", "00:00:00", "at 00:00:00"),
    ("2026-10-05T23:59:59", "2026-10-06T00:00:00", "23:59:59 yesterday", "at 23:59:59 yesterday"),
    ("2026-10-07T00:00:00", "2026-10-06T23:59:59", "00:00:00 tomorrow", "at 00:00:00 tomorrow"),
    ("2026-10-02T14:02:11", "2026-10-06T03:12:14", "2 October, 14:02:11", "on 2 October, 14:02:11"),
    ("2026-10-08T14:02:11", "2026-10-06T03:12:14", "8 October, 14:02:11", "on 8 October, 14:02:11"),
    ("2025-12-31T23:59:59", "2026-01-01T00:00:00", "23:59:59 yesterday", "at 23:59:59 yesterday"),
    ("2025-12-31T14:02:11", "2026-10-06T03:12:14", "31 December 2025, 14:02:11",
    "on 31 December 2025, 14:02:11"),
    ("2163-01-05T01:16:20", "2026-10-06T03:12:14", "5 January 2163", "on 5 January 2163"),
    ("2024-02-29T12:00:00", "2024-02-28T12:00:00", "12:00:00 tomorrow", "at 12:00:00 tomorrow"),
]  # fmt: skip


@pytest.mark.parametrize(("then", "now", "moment", "when"), MOMENTS)
def test_a_time_on_another_day_includes_the_day(
    then: str, now: str, moment: str, when: str
) -> None:
    assert plain(formatting.moment(at(then), at(now))) == moment
    assert plain(formatting.when(at(then), at(now))) == when


MOMENT = st.datetimes(timezones=st.just(UTC))


@given(MOMENT, MOMENT)
def test_times_of_other_days_never_read_like_today(one: datetime, now: datetime) -> None:
    is_today = one.date() == now.date()
    clock = r"\d\d:\d\d:\d\d"
    for words in (
        formatting.moment(one, now),
        formatting.dated(one, now),
        formatting.moment(one, now, seconds=False) + ":00",
        formatting.since(one, now),
    ):
        assert (re.fullmatch(clock, words) is not None) == is_today


@given(MOMENT, MOMENT)
def test_the_zone_follows_the_clock_time_not_the_day(one: datetime, now: datetime) -> None:
    words = formatting.moment(one, now, zone=True)

    assert "day UTC" not in words
    assert "tomorrow UTC" not in words


def test_an_unknown_time_is_empty() -> None:
    assert formatting.moment(None, NOW) == formatting.when(None, NOW) == formatting.since(None, NOW)
    assert formatting.when(None, NOW) == ""


def test_older_times_are_less_precise() -> None:
    assert formatting.since(NOW - timedelta(hours=1), NOW) == "02:27:41"
    assert formatting.since(NOW - timedelta(hours=12), NOW) == "15:27 yesterday"
    assert plain(formatting.since(NOW - timedelta(days=400), NOW)) == "1 September 2025"


def test_stored_text_names_absolute_days() -> None:
    assert formatting.dated(NOW, NOW) == "03:27:41"
    assert plain(formatting.dated(NOW + timedelta(days=1), NOW)) == "7 October, 03:27:41"


def test_only_the_formatter_writes_the_time_of_day() -> None:
    root = Path(formatting.__file__).parents[2]
    # The rows of the journal have milliseconds, and the day in front unless it is today.
    # The chain of the audit hashes an exact text.
    known = {
        "portal/core/formatting.py",
        "portal/web/journal/page.py",
        "portal/audit/chain.py",
        # Quiet hours are a time of every day, which forms and the API give as 22:00.
        "portal/notifications/retries.py",
        # The header of a mail.
        "portal/notifications/channels/email/__init__.py",
    }
    bare = re.compile(r"%H:%M|:%H|strftime|isoformat\(.*\)\[11")
    found = {
        str(path.relative_to(root))
        for path in (root / "portal").rglob("*.py")
        if bare.search(path.read_text())
    }
    assert found <= known


def test_lists_read_like_sentences() -> None:
    assert formatting.listed(["a"]) == "a"
    assert formatting.listed(["a", "b", "c"]) == "a, b and c"
    assert formatting.listed([]) == ""


def test_the_zone_on_a_page_is_beside_the_time_of_day() -> None:
    yesterday = timezone.now() - timedelta(days=1)

    assert f">{yesterday:%H:%M} UTC yesterday</time>" in stamp(yesterday, "minute", zone=True)
    assert f">{yesterday:%H:%M:%S} UTC yesterday</time>" in stamp(yesterday, zone=True)
    assert f">{yesterday:%H:%M:%S} yesterday</time>" in stamp(yesterday)
