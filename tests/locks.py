"""Reads requirements.txt and requirements-dev.txt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Locked:
    version: str
    marker: str
    hashes: frozenset[str]


def locked(path: Path) -> dict[str, Locked]:
    """By normalized name."""
    lines = path.read_text().replace("\\\n", "").splitlines()
    entries = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    found: dict[str, Locked] = {}
    for entry in entries:
        requirement = Requirement(entry.partition(" --hash")[0])
        [pin] = requirement.specifier
        assert pin.operator == "==", entry
        found[canonicalize_name(requirement.name)] = Locked(
            version=pin.version,
            marker=str(requirement.marker or ""),
            hashes=frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)),
        )
    return found


def wanted(path: Path) -> dict[str, Requirement]:
    """The packages that an .in file itself lists."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    requirements = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {str(canonicalize_name(one.name)): one for one in requirements}
