"""The results of the mutants of a target, and the table of all targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Counts:
    target: str
    mutants: int
    """All of the target's mutants; `sampled` of them are tested."""
    sampled: int
    killed: int = 0
    explained: int = 0
    "no test can notice them; equivalents.py says why"
    survived: int = 0

    @property
    def tested(self) -> int:
        return self.killed + self.explained + self.survived

    def progress(self) -> str:
        return f"{self.target}: {self.tested} of {self.sampled} tested, {self.survived} survived"


def table(counts: Sequence[Counts]) -> str:
    """In Markdown, as docs/measurements.md has it."""
    lines = [
        "| target | mutants | tested | killed | explained | survived |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.target} | {one.mutants} | {one.tested} | {one.killed} | {one.explained}"
        f" | {one.survived} |"
        for one in counts
    ]
    return "\n".join(lines)
