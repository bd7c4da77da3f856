"""What a fix button of the form sends, and what it changes in the typed text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

from portal.core.errors import Fix
from portal.core.targets import Piece, TargetError, as_text, read_ports, split_ports
from portal.core.wording.targets import ports_text

MAX_FIX: Final = 20_000
"""Characters that a fix button sends, percent-encoded."""
MAX_FIX_FIELDS: Final = 10


def fix_fields(fix: str) -> dict[str, str]:
    """What `fix_value` encoded; nothing if it cannot be read."""
    try:
        return dict(parse_qsl(fix[:MAX_FIX], keep_blank_values=True, max_num_fields=MAX_FIX_FIELDS))
    except ValueError:
        return {}


def replaced(text: str, pieces: Sequence[Piece], wrong: str, by: str) -> str:
    """`text` with the pieces that read `wrong` replaced, and everything between them kept."""
    if not by:
        kept = [piece.text for piece in pieces if piece.text != wrong]
        return ", ".join(kept) if len(kept) < len(pieces) else text
    for piece in reversed(pieces):
        if piece.text == wrong:
            text = text[: piece.start] + by + text[piece.end :]
    return text


def with_ports(text: str, more: str) -> str:
    there = {piece.text for piece in split_ports(text)}
    added = [piece.text for piece in split_ports(more) if piece.text not in there]
    kept = [] if all(map(_is_any, split_ports(text))) and added else [text]
    return ", ".join(filter(None, [*kept, *added]))


def _is_any(piece: Piece) -> bool:
    try:
        return read_ports(piece.text).is_any
    except TargetError:
        return False


def fix_value(name: str, wrong: str, fix: Fix) -> str:
    """What a fix button sends: what to replace in which input, and what to add to the others."""
    fields = {"in": name, "wrong": wrong, "by": fix.value}
    if name == "other":
        fields |= {"by": as_text(fix.suggestion), "ports": ports_text(fix.suggestion.ports)}
    fields["protocols"] = " ".join(map(str, fix.suggestion.protocols))
    return urlencode(fields)
