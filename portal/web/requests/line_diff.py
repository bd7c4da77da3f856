"""Compare two texts line by line."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """One line of one side; `changed` if the other side does not have it there."""

    text: str
    is_changed: bool


def line_diff(before: str, after: str) -> tuple[list[ChangedLine], list[ChangedLine]]:
    """The lines of both sides."""
    old, new = before.splitlines(), after.splitlines()
    old_kept: set[int] = set()
    new_kept: set[int] = set()
    for at_old, at_new, size in SequenceMatcher(
        None, old, new, autojunk=False
    ).get_matching_blocks():
        old_kept.update(range(at_old, at_old + size))
        new_kept.update(range(at_new, at_new + size))
    return _lines(old, old_kept), _lines(new, new_kept)


def _lines(texts: list[str], kept: set[int]) -> list[ChangedLine]:
    return [ChangedLine(text, is_changed=at not in kept) for at, text in enumerate(texts)]
