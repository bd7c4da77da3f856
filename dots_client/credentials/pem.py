"""The blocks in a PEM text (RFC 7468), with any text around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_BEGIN: Final = b"-----BEGIN "
_DASHES: Final = b"-----"


@dataclass(frozen=True, slots=True)
class PemBlock:
    """One block from BEGIN to END. `text` is empty if the END is missing."""

    label: str
    "such as CERTIFICATE"
    text: bytes


def blocks(text: bytes) -> tuple[PemBlock, ...]:
    """Every block in order. Byte order marks, bag attributes and comments are ignored."""
    found: list[PemBlock] = []
    begin = text.find(_BEGIN)
    while begin >= 0:
        label_ends = text.find(_DASHES, begin + len(_BEGIN))
        if label_ends < 0:
            break
        label = text[begin + len(_BEGIN) : label_ends]
        end_line = b"-----END " + label + _DASHES
        end = text.find(end_line, label_ends)
        following = text.find(_BEGIN, label_ends)
        name = label.decode("ascii", "replace")
        if end < 0 or 0 <= following < end:
            found.append(PemBlock(name, b""))
            begin = following
            continue
        found.append(PemBlock(name, text[begin : end + len(end_line)]))
        begin = text.find(_BEGIN, end)
    return tuple(found)
