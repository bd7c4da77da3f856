"""Values to choose from: those of a select, or of links beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of them."""

    value: str
    words: str
    is_chosen: bool


def options(known: Mapping[str, str], chosen: str) -> list[Option]:
    """`known`: value → words."""
    return [Option(value=key, words=words, is_chosen=key == chosen) for key, words in known.items()]
