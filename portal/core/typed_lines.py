"""Names and reasons that people type: one line each, with single spaces."""

from __future__ import annotations

from typing import Final

from portal.core.errors import Invalid

MIN_REASON_LENGTH: Final = 10
MAX_REASON_LENGTH: Final = 500
WHY: Final = f"Say why in {MIN_REASON_LENGTH} to {MAX_REASON_LENGTH} characters."


def one_line(typed: str) -> str:
    return " ".join(typed.split())


def checked_name(typed: str, *, at_most: int) -> str:
    """Raises Invalid if it is empty or too long."""
    name = one_line(typed)
    if not name or len(name) > at_most or not name.isprintable():
        message = f"A name has 1 to {at_most} printable characters."
        raise Invalid.at("name", "bad-name", message)
    return name


def checked_reason(typed: str, message: str = WHY) -> str:
    """Raises Invalid with `message` if it is too short or too long."""
    reason = one_line(typed)
    if not MIN_REASON_LENGTH <= len(reason) <= MAX_REASON_LENGTH or not reason.isprintable():
        raise Invalid.at("reason", "length", message)
    return reason
