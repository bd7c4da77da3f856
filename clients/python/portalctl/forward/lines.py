"""Split a stream of bytes into lines, with a bound."""

from __future__ import annotations

from typing import Final

MAX_LINE_BYTES: Final = 64 * 1024


class Lines:
    """Keeps the unfinished line between two reads, at most `MAX_LINE_BYTES` of it."""

    def __init__(self) -> None:
        self.too_long = 0
        "how many lines were left out"
        self._rest = b""
        self._is_skipping = False

    def feed(self, received: bytes) -> list[str]:
        """The lines that are now complete, without their ends."""
        *complete, rest = (self._rest + received).split(b"\n")
        found = [text for line in complete if (text := self._line(line)) is not None]
        self._rest = rest
        if len(rest) > MAX_LINE_BYTES or self._is_skipping:
            self._rest, self._is_skipping = b"", True
        return found

    def finish(self) -> list[str]:
        """The last line of a file that has no end."""
        return self.feed(b"\n") if self._rest or self._is_skipping else []

    def _line(self, line: bytes) -> str | None:
        if self._is_skipping or len(line) > MAX_LINE_BYTES:
            self._is_skipping = False
            self.too_long += 1
            return None
        return line.rstrip(b"\r").decode(errors="replace")
