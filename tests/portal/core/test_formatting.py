from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from portal.core import formatting

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
def test_packets_have_three_digits_of_meaning(packets: int, words: str) -> None:
    assert plain(formatting.packet_rate(Decimal(packets))) == words


def test_units_never_part_from_their_number() -> None:
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
def test_durations_have_one_unit(seconds: int, words: str) -> None:
    assert plain(formatting.duration(seconds)) == words


def test_big_durations_have_two() -> None:
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
def test_lifetimes_are_what_people_choose(seconds: int, words: str) -> None:
    assert plain(formatting.lifetime(seconds)) == words


def test_times_name_the_day_only_when_it_is_not_today() -> None:
    assert formatting.moment(NOW - timedelta(hours=1), NOW) == "02:27:41"
    assert formatting.moment(NOW - timedelta(hours=12), NOW) == "15:27:41 yesterday"
    assert plain(formatting.moment(NOW - timedelta(days=4), NOW)) == "2 October, 03:27:41"
    assert plain(formatting.since(NOW - timedelta(days=400), NOW)) == "1 September 2025"


def test_lists_read_like_sentences() -> None:
    assert formatting.listed(["a"]) == "a"
    assert formatting.listed(["a", "b", "c"]) == "a, b and c"
    assert formatting.listed([]) == ""
