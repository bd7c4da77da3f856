"""Make text from a peer safe for an exception, a log line, a database row and a page.

A peer's bytes pass `clean_text` once, where they become text. Later code need not check them again.
"""

from __future__ import annotations

from typing import Final

MAX_TEXT: Final = 300
"""The longest text of a peer, in characters: a diagnostic, the reason of an Abort, a name in a
certificate."""

_LOOKED_AT: Final = 4
"""Characters read for each one in the result, which bounds the time for long runs of removed
ones."""


def clean_text(text: str | bytes, limit: int = MAX_TEXT) -> str:
    """`text` on one line: printable characters and single spaces, at most `limit` of them.

    Everything else counts as a space: control characters with NUL and line breaks, characters
    without a width, marks that change the direction of writing, and lone surrogates. Bytes that are
    not UTF-8 become U+FFFD. Text that was cut ends in "…".
    """
    read = limit * _LOOKED_AT
    is_cut = len(text) > read
    text = text[:read]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(one if one.isprintable() else " " for one in text)
    line = " ".join(text.split())
    if len(line) > limit or is_cut:
        return f"{line[: limit - 1].rstrip()}…"
    return line
