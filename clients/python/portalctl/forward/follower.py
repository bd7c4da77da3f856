"""Reads what a log file gains, also when it is rotated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

from portalctl.forward.lines import Lines
from portalctl.forward.rotation import Happened, Place, happened

READ_BYTES: Final = 1024 * 1024
"""At most so much in one read."""


class Follower:
    """Begins at the end of a file that exists, and at the beginning of each that comes later."""

    def __init__(self, path: Path) -> None:
        self.lines = Lines()
        self._path = path
        self._file: BinaryIO | None = None
        self._open(at_end=True)

    @property
    def is_open(self) -> bool:
        return self._file is not None

    def read(self) -> tuple[list[str], bool]:
        """The new lines, and whether there may be more at once.

        :raises OSError: the file cannot be read. A missing one has no lines.
        """
        if self._file is None and not self._open(at_end=False):
            return [], False
        assert self._file is not None
        received = self._file.read(READ_BYTES)
        if received:
            return self.lines.feed(received), True
        what = happened(self._read_to(self._file), self._found())
        if what is Happened.TRUNCATED:
            self._file.seek(0)
            return self.lines.finish(), True
        if what is Happened.REPLACED:
            # The writer may have written to the old file since the read above.
            received = self._file.read(READ_BYTES)
            if received:
                return self.lines.feed(received), True
            self.close()
            return self.lines.finish(), True
        return [], False

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, *, at_end: bool) -> bool:
        try:
            # Unbuffered: a buffer would hide what a truncation removed.
            self._file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            return False
        if at_end:
            self._file.seek(0, os.SEEK_END)
        return True

    def _found(self) -> Place | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return Place(status.st_dev, status.st_ino, status.st_size)

    @staticmethod
    def _read_to(file: BinaryIO) -> Place:
        status = os.fstat(file.fileno())
        return Place(status.st_dev, status.st_ino, file.tell())
