"""One tab of a page that has several."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tab:
    """A page as one person may open it."""

    words: str
    url: str
    is_here: bool
