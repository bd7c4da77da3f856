"""Split a pasted list into targets with their positions, so that one of them can be replaced.

Commas, semicolons, pipes and white space separate targets. A range, mask or port with spaces in it
stays one target.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from portal.core.targets.text import DASHES, PUNCTUATION, QUOTES

_WORD: Final = re.compile(
    # 203,0,113,7 is one address, typed on a keyboard with a decimal comma.
    r"(?<![\d.,])\d{1,3}(?:,\d{1,3}){3}(?![\d.,])|[^\s,;|]+"
)
_ADDRESS: Final = re.compile(r"[\[({]*[0-9A-Fa-f]*[.:\[({][0-9A-Fa-f.:\[\](){}]*")
_MASK: Final = re.compile(r"(?:0|255)(?:\.\d{1,3}){3}")
_QUAD: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_BULLET: Final = re.compile(r"[-*•·>]|\d{1,2}[.)]")
"""Not "#": in lists of addresses it means "not this one"."""
_RANGE_WORDS: Final = frozenset({"-", "to", "~", "→", "..", "...", "…"})
_MASK_WORDS: Final = frozenset({"mask", "netmask"})


@dataclass(frozen=True, slots=True)
class Piece:
    """One target as typed, and its position in the text."""

    text: str
    start: int
    end: int


def split(text: str) -> list[Piece]:
    """The targets in `text`, in order. Runs in linear time."""
    same = text.translate(PUNCTUATION).translate(DASHES)
    words = [Piece(_bare(one[0]), one.start(), one.end()) for one in _WORD.finditer(same)]
    found: list[Piece] = []
    index, is_list = 0, False
    while index < len(words):
        word = words[index]
        if _begins_line(same, words, index):
            is_list = bool(_BULLET.fullmatch(word.text))
        if _BULLET.fullmatch(word.text):
            index += 1
            continue
        count = _length(same, words, index, is_list=is_list)
        end = words[index + count - 1].end
        found.append(Piece(text[word.start : end], word.start, end))
        index += count
    return found


def _bare(word: str) -> str:
    """A word without the quotes around it, which may stand around several."""
    # A URI may end in a character that belongs to it; `text.plain` decides.
    return word if "://" in word else word.strip(QUOTES + "'<>") or word


def _begins_line(same: str, words: list[Piece], index: int) -> bool:
    return index == 0 or "\n" in same[words[index - 1].end : words[index].start]


def _length(same: str, words: list[Piece], index: int, *, is_list: bool) -> int:
    """How many words, starting at `index`, form one target."""
    texts = [words[index].text]
    for one in range(index + 1, min(index + 3, len(words))):
        if not _is_beside(same, words[one - 1], words[one]):
            break
        texts.append(words[one].text)
    second, third = [*texts[1:], "", ""][:2]
    if third and _is_joined(texts[0], second, third, is_list=is_list):
        return 3
    if second and _is_pair(texts[0], second, is_list=is_list):
        return 2
    return 1


def _is_beside(same: str, one: Piece, other: Piece) -> bool:
    between = same[one.end : other.start]
    return between.isspace() and "\n" not in between


def _is_joined(first: str, word: str, last: str, *, is_list: bool) -> bool:
    word = word.lower()
    if word == "port":
        return last.isascii() and last.isdigit()
    if not _ADDRESS.fullmatch(first):
        return False
    if word in _RANGE_WORDS:
        return not is_list and bool(_ADDRESS.fullmatch(last) or last.isalnum())
    if word in _MASK_WORDS:
        return bool(_QUAD.fullmatch(last))
    return word == "/" and bool(last[:1].isdigit())


def _is_pair(first: str, second: str, *, is_list: bool) -> bool:
    if first.endswith("/") and _ADDRESS.fullmatch(first[:-1]):
        return second[:1].isdigit()
    if not is_list and first.endswith("-") and _ADDRESS.fullmatch(first[:-1]):
        return bool(_ADDRESS.fullmatch(second))
    if not _ADDRESS.fullmatch(first):
        return False
    if second[:1] == "/" and second[1:2].isdigit():
        return True
    if not is_list and second[:1] == "-" and _ADDRESS.fullmatch(second[1:]):
        return True
    return bool(_MASK.fullmatch(second))
