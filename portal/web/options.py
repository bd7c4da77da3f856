"""The options of a select, of radio buttons, or of a row of links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option."""

    value: str
    words: str
    can: str = ""
    "what it allows, beside a radio button"
    is_chosen: bool


def options(known: Mapping[str, str], chosen: str) -> list[Option]:
    """`known`: value → label."""
    return [Option(value=key, words=words, is_chosen=key == chosen) for key, words in known.items()]


def rights(known: Mapping[str, tuple[str, str]], chosen: str) -> list[Option]:
    """`known`: value → label, and what it allows."""
    return [
        Option(value=key, words=words, can=can, is_chosen=key == chosen)
        for key, (words, can) in known.items()
    ]
