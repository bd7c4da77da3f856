"""The text of a note."""

from __future__ import annotations

from typing import Final

from portal.core.errors import FieldError, Invalid

MAX_NOTE_LENGTH: Final = 2000
"""Characters of one note."""


def checked_note(text: str) -> str:
    """The text without space around it, with line feeds alone at the ends of lines. Raises Invalid
    for an empty or long text, and for control characters.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise _refused("required", "Write a note.")
    if len(text) > MAX_NOTE_LENGTH:
        raise _refused(
            "too-long",
            f"The note has {len(text):,} characters: at most {MAX_NOTE_LENGTH:,} are allowed.",
        )
    if any(_is_odd(one) for one in text):
        raise _refused("odd-characters", "The note contains characters that are not allowed.")
    return text


def _is_odd(character: str) -> bool:
    """A control character, or half of a surrogate pair, which no database stores."""
    is_control = character < " " or "\x7f" <= character < "\xa0"
    return (is_control and character not in "\n\t") or "\ud800" <= character <= "\udfff"


def _refused(code: str, message: str) -> Invalid:
    return Invalid(f"Nothing was saved. {message}", errors=[FieldError("text", code, message)])
