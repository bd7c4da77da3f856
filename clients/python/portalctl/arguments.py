"""From arguments to the body of a call. Pure functions."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

UNTIL_TERMINATED: Final = "until-terminated"
_LIFETIME: Final = re.compile(r"([0-9]{1,9})(s|m|h|d)?")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}


def lifetime(text: str) -> int:
    """Seconds, of `90s`, `30m`, `1h`, `2d` or a number; -1 until someone terminates it."""
    if text == UNTIL_TERMINATED:
        return -1
    match = _LIFETIME.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write a number of seconds, or 30m, 1h, 2d, or {UNTIL_TERMINATED}"
        )
    return int(match[1]) * _SECONDS[match[2]]


def identifier(text: str) -> str:
    """The id of a request, which goes into a path."""
    try:
        return str(UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an id; portalctl list shows the ids"
        ) from None


def key(text: str) -> str:
    """An idempotency key, which goes into a header."""
    if not (text.isascii() and text.isprintable() and 1 <= len(text.strip()) <= 200):
        raise argparse.ArgumentTypeError("a key has 1 to 200 printable ASCII characters")
    return text.strip()


def digest(text: str) -> str:
    """A SHA-256 in hexadecimal."""
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no digest of 64 hexadecimal digits")
    return text


def several(text: str) -> list[str]:
    """Words between commas."""
    return [word for word in text.split(",") if word]


def amount(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def interval(text: str) -> float:
    """Seconds between two looks, 0.2 to 3,600."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.2 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.2 to 3600")
    return seconds


def targets(texts: Sequence[str]) -> dict[str, list[str]]:
    """The lists of a request. The portal decides what is valid; this only finds each one's list."""
    found: dict[str, list[str]] = {}
    for text in texts:
        found.setdefault(_kind(text), []).append(text)
    return found


def _kind(text: str) -> str:
    if "://" in text:
        return "uris"
    if _is_resource(text):
        return "resources"
    looks_numeric = ":" in text or "/" in text or re.fullmatch(r"[0-9.]+", text)
    return "prefixes" if looks_numeric else "fqdns"


def _is_resource(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False
