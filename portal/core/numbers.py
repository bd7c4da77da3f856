"""Whole numbers that people and programs send as text."""

from __future__ import annotations


def whole_number(text: str, *, at_most: int) -> int | None:
    """0 to `at_most`, written in ASCII digits and no more of them than `at_most` has; None for anything else.

    `str.isdigit` is true of "²", which `int` does not read, and `int` gives up on more than 4,300 digits.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(at_most)):
        return None
    number = int(text)
    return number if number <= at_most else None
