"""Names with an @ in the text of a note."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"(?<![\w.@+-])@([\w.@+-]+)")
"""Whatever a name for signing in may consist of. An email address has none: before its @ is a
letter.
"""
_PUNCTUATION: Final = ".@+-"
"""May end a name, and more often ends a sentence."""


def mentioned_names(text: str) -> list[tuple[str, ...]]:
    """What may be mentioned, in the order of the text and in lower case: for each place the name as
    written, and without the punctuation at its end if there is any.
    """
    found: list[tuple[str, ...]] = []
    for place in _NAME.finditer(text):
        name = place[1].lower()
        shorter = name.rstrip(_PUNCTUATION)
        found.append((name, shorter) if shorter not in ("", name) else (name,))
    return found
