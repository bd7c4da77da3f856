"""The options of a select, or of a row of links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option."""

    value: str
    words: str
    is_chosen: bool


def options(known: Mapping[str, str], chosen: str) -> list[Option]:
    """`known`: value → label."""
    return [Option(value=key, words=words, is_chosen=key == chosen) for key, words in known.items()]
