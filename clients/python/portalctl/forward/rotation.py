"""What happened to a log file since the last look. A pure function."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and a number of bytes: how many were read, or how many it has."""

    device: int
    inode: int
    size: int


class Happened(Enum):
    NOTHING = auto()
    GREW = auto()
    TRUNCATED = auto()
    """It is shorter than what was read: read it from the beginning."""
    REPLACED = auto()
    """Another file has its name: read the rest of the old one, then the new one."""
    AWAY = auto()
    """No file has its name: the old one may still grow."""


def happened(read: Place, found: Place | None) -> Happened:
    """`read`: the open file, and how far it was read. `found`: what has its name now.

    A file that was truncated and has grown past the old place since the last look seems to have
    grown: no size and no inode shows that.
    """
    if found is None:
        return Happened.AWAY
    if (found.device, found.inode) != (read.device, read.inode):
        return Happened.REPLACED
    if found.size < read.size:
        return Happened.TRUNCATED
    return Happened.GREW if found.size > read.size else Happened.NOTHING
