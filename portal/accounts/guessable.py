"""Passwords that are long enough and still guessed first. Pure functions."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

WORDS: Final = (
    "administrator", "organization", "operator", "approver", "mitigation", "mitigate", "protection",
    "provider", "scrubbing", "security", "changeme", "password", "network", "welcome", "letmein",
    "portal", "secret", "viewer", "attack", "filter", "signin", "access", "admin", "staff", "login",
    "ddos", "dots",
)  # fmt: skip
"""Words of this portal, and of people who have to think of a password for it."""
SHORTEST_PIECE: Final = 4
"""A shorter piece in the place of a word is no help for a guess, nor against one."""
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "qwertyuiopasdfghjklzxcvbnm",
    "1234567890123",
    "12345678910111213141516",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "zaq12wsxcde34rfv",
    "zaq1xsw2cde3vfr4bgt5nhy6mju7",
)
"""Walks over a keyboard, and counting."""
WALKS: Final = (*_ROWS, *(row[::-1] for row in _ROWS))
_LOOKS_LIKE: Final = str.maketrans("0134579@$!", "oleastgasi")
"""Digits and signs that people type for letters."""


def is_guessable(password: str, *, common: Collection[str], names: Iterable[str] = ()) -> bool:
    """Whether nothing is left that a guess would miss, after walks over the keyboard, our own
    words, `names`, repetitions, and one of the `common` passwords (in lower case).
    """
    text = unicodedata.normalize("NFKC", password).casefold()
    words = sorted({*WORDS, *_usable(names)}, key=lambda word: (-len(word), word))
    return any(
        _is_known(without, common, words)
        for version in (text, text.translate(_LOOKS_LIKE))
        for without in (version, _without_walks(version))
    )


def _is_known(text: str, common: Collection[str], words: Iterable[str]) -> bool:
    letters = "".join(filter(str.isalpha, text))
    if not letters:
        return _is_one("".join(text.split()), common)
    pieces = [text, letters]
    left = letters
    for word in words:
        if word in letters:
            left = left.replace(word, "")
            # Each alone too: one may be a part of a common password.
            pieces += [letters.replace(word, ""), left]
    return any(_is_one(piece, common) for piece in pieces)


def _is_one(text: str, common: Collection[str]) -> bool:
    """A common password or a short piece, once or several times."""
    unit = _unit(text)
    times = range(1, len(text) // max(len(unit), 1) + 1)
    return len(unit) < SHORTEST_PIECE or any(unit * one in common for one in times)


def _usable(names: Iterable[str]) -> Iterable[str]:
    pieces = (piece for name in names for piece in name.casefold().replace(".", " ").split())
    return (piece for piece in pieces if len(piece) >= SHORTEST_PIECE)


def _unit(text: str) -> str:
    """What `text` repeats, or `text` itself."""
    period = (text + text).find(text, 1)
    return text[:period] if 0 < period < len(text) else text


def _without_walks(text: str) -> str:
    left, at = [], 0
    while at < len(text):
        length = _walk_at(text, at)
        left.append(" " if length else text[at])
        at += length or 1
    return "".join(left)


def _walk_at(text: str, at: int) -> int:
    """The length of the longest walk that begins here; 0 if there is none."""
    length = SHORTEST_PIECE
    if not any(text[at : at + length] in walk for walk in WALKS) or at + length > len(text):
        return 0
    while at + length < len(text) and any(text[at : at + length + 1] in walk for walk in WALKS):
        length += 1
    return length
