"""Parses whole numbers from text."""

from __future__ import annotations


def whole_number(text: str, *, at_most: int) -> int | None:
    """An integer from 0 to `at_most`, in ASCII digits and no more of them than `at_most` has; None
    for anything else.

    `str.isdigit` is true for "²", which `int` does not accept, and `int` fails for more than 4,300
    digits.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(at_most)):
        return None
    number = int(text)
    return number if number <= at_most else None
