"""The results of the mutants of a target, and the table of all targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Counts:
    target: str
    mutants: int
    """All of the target's mutants; `tested` of them were run."""
    tested: int
    killed: int = 0
    explained: int = 0
    "no test can notice them; equivalents.py says why"
    survived: int = 0

    def progress(self) -> str:
        done = self.killed + self.explained + self.survived
        return f"{self.target}: {done} of {self.tested} tested, {self.survived} survived"


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
