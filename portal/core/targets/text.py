"""Cleans pasted text: removes the characters that surround a target or hide in it, and undoes
defanging.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from portal.core.targets.model import Code, TargetError

MAX_TYPED_LENGTH: Final = 1024
"""Characters of one target as typed, before anything is removed from it."""
MAX_LAYERS: Final = 16
"""Quotes, brackets and marks around one target. Text with more layers is refused with the rest in
place.
"""
_SHOWN_LENGTH: Final = 60

JOINERS: Final = "\u200c\u200d"
"""Invisible, but letters of some names (RFC 5892 appendix A)."""
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Variation selectors and fillers, which are invisible although Unicode does not classify them as
format characters.
"""
_LINE_BREAKS: Final = "\n\r\v\f\x85\u2028\u2029"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63"
_DOTS: Final = "\u3002\uff61"
"""Full stops that browsers treat as a dot (UTS 46 section 4)."""
_COMMAS: Final = "\u3001\u060c\ufe50\ufe51"
_SEMICOLONS: Final = "\u061b\ufe54"
_FULLWIDTH: Final = {0xFF01 + index: 0x21 + index for index in range(94)}
PUNCTUATION: Final[dict[int, str | int | None]] = {
    **_FULLWIDTH,
    **{ord(one): "." for one in _DOTS},
    **{ord(one): "," for one in _COMMAS},
    **{ord(one): ";" for one in _SEMICOLONS},
    **{ord(one): "\n" for one in _LINE_BREAKS},
}
"""Each maps to one character, so that positions do not change."""
DASHES: Final[dict[int, str | int | None]] = dict.fromkeys(map(ord, _DASHES), "-")

QUOTES: Final = '"`´“”„‟‘’‚‛«»‹›'
_PAIRS: Final = {"(": ")", "[": "]", "{": "}", "<": ">", "'": "'", "⟨": "⟩", "「": "」", "【": "】"}
_OPENERS: Final = {close: opener for opener, close in _PAIRS.items()}

_DEFANGED_DOT: Final = re.compile(r"[\[({] ?(?:\.|dot) ?[\])}]", re.IGNORECASE)
_DEFANGED_COLON: Final = re.compile(r"[\[({]:[\])}]")
_DEFANGED_SCHEME_END: Final = re.compile(r"[\[({]:?//[\])}]")
_DEFANGED_SCHEME: Final = re.compile(r"h(?:xx|\*\*)p(s?)(?=:)", re.IGNORECASE)


def shown(text: str) -> str:
    """`text` for use in a sentence: printable and short."""
    clean = "".join(char if char.isprintable() else "?" for char in text[: _SHOWN_LENGTH + 1])
    return clean if len(clean) <= _SHOWN_LENGTH else f"{clean[:_SHOWN_LENGTH]}…"


def visible(text: str) -> str:
    """`text` without invisible characters, which often come with text copied from wikis, chats and
    mails.
    """
    kept = (char for char in text if unicodedata.category(char) != "Cf" or char in JOINERS)
    return _INVISIBLE.sub("", "".join(kept)).strip()


def plain(text: str) -> str:
    """`text` without surrounding quotes, brackets and punctuation, and without defanging;
    TargetError if it cannot be a target.

    All white space in the result is plain spaces. A path keeps its characters.
    """
    if len(text) > MAX_TYPED_LENGTH:
        raise TargetError(Code.TOO_LONG, text, length=len(text), longest=MAX_TYPED_LENGTH)
    kept = "".join(map(_spaced, visible(text).translate(PUNCTUATION)))
    if any(unicodedata.category(char) in ("Cc", "Cs", "Cn", "Co") for char in kept):
        raise TargetError(Code.ODD_CHARACTERS, text)
    head, path = _before_path(kept)
    uncovered = _DEFANGED_DOT.sub(".", head.translate(DASHES))
    uncovered = _DEFANGED_SCHEME_END.sub("://", _DEFANGED_COLON.sub(":", uncovered))
    uncovered = _DEFANGED_SCHEME.sub(r"http\1", uncovered)
    return _ascii_digits(_unwrapped(uncovered + path))


def _spaced(char: str) -> str:
    return " " if char == "\t" or char == "\n" or unicodedata.category(char) == "Zs" else char


def _before_path(text: str) -> tuple[str, str]:
    """A URI split after its authority; anything else is returned whole, with an empty rest."""
    start = text.find("//")
    if start < 0:
        return text, ""
    end = re.compile(r"[/?#]|$").search(text, start + 2)
    place = end.start() if end else len(text)
    return text[:place], text[place:]


def _unwrapped(text: str) -> str:
    is_uri = "://" in text
    for _ in range(MAX_LAYERS):
        before = text
        text = text.strip(" |" + QUOTES)
        if not is_uri:
            text = text.strip(" ,;").rstrip("!?/")
            text = text.removeprefix("- ").removeprefix("* ").lstrip("•·>")
            if re.fullmatch(r"[\d./]+", text):
                text = text.rstrip(".")
            elif text.endswith(".") and not text.endswith(".."):
                text = text[:-1]
            if text.endswith(":") and text.count(":") == 1:
                text = text[:-1]
        text = _without_brackets(text, is_uri=is_uri)
        if text == before:
            break
    return text


def _without_brackets(text: str, *, is_uri: bool) -> str:
    """Without a pair of brackets around all of it, or one at an end whose other half is missing.

    A URI may end in a bracket that belongs to it.
    """
    if not text:
        return text
    close, opener = _PAIRS.get(text[0]), _OPENERS.get(text[-1])
    if close and _closes_at(text, text[0], close) == len(text) - 1:
        return text[1:-1]
    if (close and close not in text[1:]) or text[0] in _OPENERS:
        return text[1:]
    if (opener and opener not in text[:-1]) or (text[-1] in _PAIRS and not is_uri):
        return text[:-1]
    return text


def _closes_at(text: str, opener: str, close: str) -> int:
    """The position where the opening bracket at the start of `text` is closed; -1 if it is not."""
    depth = 1
    for place in range(1, len(text)):
        depth += (text[place] == opener != close) - (text[place] == close)
        if depth == 0:
            return place
    return -1


def _ascii_digits(text: str) -> str:
    """Converts digits of other scripts to ASCII if there are no letters.

    Superscripts do not count as digits.
    """
    if text.isascii() or not all(
        char in ".:/*-, " or unicodedata.category(char) == "Nd" for char in text
    ):
        return text
    return "".join(char if char.isascii() else str(unicodedata.decimal(char)) for char in text)


def without_joiners(text: str) -> str:
    return text.replace("\u200c", "").replace("\u200d", "")
