"""Positions in the chart, and rates as text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from portal.core.formatting import bit_rate, packet_rate

WIDTH: Final = 720
HEIGHT: Final = 200


def x_at(at: datetime, start: datetime, end: datetime) -> str:
    """`at`: between `start` and `end`."""
    share = (at - start) / (end - start) if end > start else 1.0
    return f"{share * WIDTH:.1f}".removesuffix(".0")


def y_of(value: Decimal, top: Decimal) -> str:
    return f"{HEIGHT - float(value / top) * HEIGHT:.1f}".removesuffix(".0")


def rate_words(value: Decimal, unit: str) -> str:
    """`value`: bytes per second, or packets per second if the unit is packet."""
    return bit_rate(value) if unit == "bit" else packet_rate(value)
