"""Formats numbers, times and lists for people. No-break spaces keep each unit with its number.

Times are in the time zone that is active (portal.accounts.time_zones): UTC unless a person chose
another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date as Date
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from django.utils.timezone import localtime

NBSP: Final = "\u00a0"
BITS_PER_BYTE: Final = 8

_SI: Final = (("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0))
_DIGITS: Final = 3

_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86400
_MEASURED_TENTHS_S: Final = 10
"""Shorter durations are shown with tenths of a second."""
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
)  # fmt: skip


def significant(value: Decimal) -> str:
    """At most three significant digits, without trailing zeros after the decimal point."""
    if value == 0:
        return "0"
    exponent = value.adjusted() - _DIGITS + 1
    rounded = value.quantize(Decimal(1).scaleb(exponent), rounding=ROUND_HALF_UP)
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _si(value: Decimal) -> tuple[str, str]:
    for prefix, power in _SI:
        # 999.6 M would read 1,000 M when rounded to three digits, so it gets the next prefix.
        if value >= Decimal("0.9995").scaleb(power) or power == 0:
            return significant(value.scaleb(-power)), prefix
    raise AssertionError("the last prefix takes everything")


def si_scale(largest: Decimal) -> tuple[int, str]:
    """The power of ten and the prefix that suit an axis up to `largest`."""
    for prefix, power in _SI:
        if largest >= Decimal(1).scaleb(power):
            return power, prefix
    return 0, ""


def bit_rate(bytes_per_s: Decimal | int | None) -> str:
    """Bytes per second, as stored, as the usual bit rate: "3.1 Gbit/s"."""
    if bytes_per_s is None:
        return ""
    number, prefix = _si(Decimal(bytes_per_s) * BITS_PER_BYTE)
    return f"{number}{NBSP}{prefix}bit/s"


def packet_rate(packets_per_s: Decimal | int | None) -> str:
    """412,000 packets/s; from ten million on "12.3 million packets/s"."""
    if packets_per_s is None:
        return ""
    value = Decimal(packets_per_s)
    if value >= Decimal(10_000_000):
        return f"{significant(value.scaleb(-6))}{NBSP}million{NBSP}packets/s"
    return f"{significant(value)}{NBSP}packets/s"


def amount(octets: Decimal | int | None) -> str:
    """Bytes in decimal units: "347 GB", "1.06 TB"."""
    if octets is None:
        return ""
    number, prefix = _si(Decimal(octets))
    return f"{number}{NBSP}{prefix}B" if prefix else f"{number}{NBSP}bytes"


def local_day(at: datetime) -> Date:
    """The calendar day of a time, where its reader is."""
    return _local(at).date()


def _local(at: datetime) -> datetime:
    try:
        return localtime(at)
    except OverflowError:
        # A certificate without an end has the last second of the year 9999 (RFC 5280 4.1.2.5).
        return at


def clock(at: datetime | None) -> str:
    """03:12:14. Use it only next to the day, and `moment` elsewhere."""
    return "" if at is None else f"{_local(at):%H:%M:%S}"


def day(at: datetime, now: datetime) -> str:
    """6 October; with the year if it is not this year."""
    local = _local(at)
    text = f"{local.day}{NBSP}{_MONTHS[local.month - 1]}"
    return text if local.year == _local(now).year else f"{text}{NBSP}{local.year}"


def date(at: datetime) -> str:
    """6 October 2026: for texts that are read later."""
    local = _local(at)
    return f"{local.day}{NBSP}{_MONTHS[local.month - 1]}{NBSP}{local.year}"


def month_name(year: int, number: int) -> str:
    """October 2026."""
    return f"{_MONTHS[number - 1]}{NBSP}{year}"


def zone_name(at: datetime) -> str:
    """UTC; CET; UTC+03 where the zone has no such name."""
    name = _local(at).tzname() or ""
    return name if name.isalpha() else f"UTC{name}"


def full_moment(at: datetime) -> str:
    """6 October 2026, 03:12:14 UTC: for texts that are read later and elsewhere."""
    return f"{date(at)}, {clock(at)} {zone_name(at)}"


def moment(at: datetime | None, now: datetime, *, seconds: bool = True, zone: bool = False) -> str:
    """A clock time as seen from `now`, with the day unless it is today; `zone`: adds the time
    zone where the page does not say so.

    "03:12:14", "03:12:14 yesterday", "03:12:14 tomorrow", "2 October, 14:02:11", "2 October 2025,
    14:02:11". A time in a later year has only its day: "5 January 2163".
    """
    if at is None:
        return ""
    time, days = _time_of_day(at, seconds=seconds), days_ahead(at, now)
    if zone:
        time = f"{time} {zone_name(at)}"
    if days in _NEAR:
        return f"{time}{_NEAR[days]}"
    is_far = days > 0 and _local(at).year != _local(now).year
    return day(at, now) if is_far else f"{day(at, now)}, {time}"


def when(at: datetime | None, now: datetime, *, seconds: bool = True, zone: bool = False) -> str:
    """`moment` in a sentence: "at 03:12:14 yesterday", "on 2 October, 14:02:11"."""
    if at is None:
        return ""
    preposition = "at" if days_ahead(at, now) in _NEAR else "on"
    return f"{preposition} {moment(at, now, seconds=seconds, zone=zone)}"


def spaced_when(at: datetime | None, now: datetime, *, seconds: bool = True) -> str:
    """`when` with a space before it, to follow a word; empty if the time is not known."""
    return "" if at is None else f" {when(at, now, seconds=seconds)}"


def dated(at: datetime, beside: datetime, *, seconds: bool = True) -> str:
    """A clock time in stored text next to the time `beside`, with its day if that differs."""
    time = _time_of_day(at, seconds=seconds)
    return time if days_ahead(at, beside) == 0 else f"{day(at, beside)}, {time}"


def when_dated(at: datetime, beside: datetime) -> str:
    """`dated` in a sentence: "at 03:12:14", "on 2 October, 14:02:11"."""
    return f"{'at' if days_ahead(at, beside) == 0 else 'on'} {dated(at, beside)}"


def since(at: datetime | None, now: datetime) -> str:
    """`moment`, less precise for older times: 03:11:40; "04:10 yesterday"; "2 October"."""
    if at is None:
        return ""
    days = days_ahead(at, now)
    if days == 0:
        return moment(at, now)
    return moment(at, now, seconds=False) if days in _NEAR else day(at, now)


_NEAR: Final = {-1: " yesterday", 0: "", 1: " tomorrow"}


def _time_of_day(at: datetime, *, seconds: bool) -> str:
    return f"{_local(at):{'%H:%M:%S' if seconds else '%H:%M'}}"


def days_ahead(at: datetime, now: datetime) -> int:
    """The distance in calendar days, like the times on pages: 0 is today, -1 yesterday."""
    return (local_day(at) - local_day(now)).days


def plural(count: int, noun: str) -> str:
    """1 hour, 4 hours"""
    return f"{count:,}{NBSP}{noun}" if count == 1 else f"{count:,}{NBSP}{noun}s"


def duration(seconds: float) -> str:
    """Roughly, in one unit: "47 s", "4 min", "3 h", "2 days"."""
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE_S:
        return f"{whole}{NBSP}s"
    if whole < 2 * _HOUR_S:
        return f"{whole // _MINUTE_S}{NBSP}min"
    if whole < 2 * _DAY_S:
        return f"{whole // _HOUR_S}{NBSP}h"
    return plural(whole // _DAY_S, "day")


def exact_duration(seconds: float) -> tuple[tuple[str, str], ...]:
    """A duration in two units, for large figures: ("40", "min"), ("41", "s")."""
    whole = max(0, int(seconds))
    units = (("days", _DAY_S), ("h", _HOUR_S), ("min", _MINUTE_S), ("s", 1))
    first = next((i for i, (_, size) in enumerate(units) if whole >= size), len(units) - 1)
    parts: list[tuple[str, str]] = []
    for name, size in units[first : first + 2]:
        count, whole = divmod(whole, size)
        if count or not parts:
            parts.append((str(count), name))
    return tuple(parts)


def measured(seconds: float) -> str:
    """A measured duration: "2.4 s", "47 s", "3 min 20 s"."""
    if seconds < _MEASURED_TENTHS_S:
        return f"{significant(Decimal(str(round(seconds, 1))))}{NBSP}s"
    return " ".join(f"{count}{NBSP}{unit}" for count, unit in exact_duration(round(seconds)))


def lifetime(seconds: int) -> str:
    """A lifetime as people choose it: "1 hour", "24 hours", "90 minutes", "until you terminate"."""
    if seconds < 0:
        return "until you terminate it"
    for noun, size in (("hour", _HOUR_S), ("minute", _MINUTE_S)):
        if seconds >= size and seconds % size == 0:
            return plural(seconds // size, noun)
    return plural(seconds, "second")


def ago(at: datetime | None, now: datetime) -> str:
    return "" if at is None else f"{duration((now - at) / timedelta(seconds=1))} ago"


def ahead(at: datetime | None, now: datetime) -> str:
    return "" if at is None else f"in {duration((at - now) / timedelta(seconds=1))}"


def listed(words: Iterable[str], *, conjunction: str = "and") -> str:
    """a; a and b; a, b and c"""
    *head, last = tuple(words) or ("",)
    return f"{', '.join(head)} {conjunction} {last}" if head else last


def tel(number: str) -> str:
    """The link to call a number as people write it (RFC 3966): "tel:+15550142"; empty if it has no
    digit.
    """
    dialled = re.sub(r"[^0-9+*#,;]", "", number.replace("(0)", ""))
    return f"tel:{dialled}" if re.search(r"[0-9]", dialled) else ""


def dialable(number: str) -> str:
    """The number as people write it; empty if it cannot be dialled."""
    return number if tel(number) else ""


_SMALL: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def in_words(count: int) -> str:
    """Small counts as words: "two things"."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else f"{count:,}"


def shortened(text: str, *, at_most: int = 140) -> str:
    """The text in one line, cut between words to about `at_most` characters."""
    line = " ".join(text.split())
    if len(line) <= at_most:
        return line
    cut = line[:at_most]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[at_most // 2 :] else cut}…"
