"""The requirements of OWASP ASVS 5.0.0, levels 1 and 2, and the answer of this portal to each."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from tests.conformance.rules import ROOT, functions_of

CHAPTERS: Final = Path(__file__).parent / "chapters"

COUNTS: Final = (27, 11, 19, 10, 9, 35, 18, 7, 7, 29, 14, 9, 13, 9, 13, 16, 7)
"""Requirements of levels 1 and 2 in the chapters V1 to V17."""
LEVEL_1: Final = (8, 4, 8, 2, 4, 13, 6, 4, 4, 5, 3, 3, 1, 2, 3, 0, 0)
"""How many of them are of level 1."""


class Status(Enum):
    """What answers a requirement; the value is the key in the chapter's file."""

    TESTED = "tests"
    REASON = "reason"
    NOT_APPLICABLE = "not_applicable"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    id: str
    level: int
    means: str
    "what it asks of this portal, in our own words"
    status: Status
    tests: tuple[str, ...] = ()
    "as pytest names them: path::function"
    words: str = ""
    "the reason, why it does not apply, or what is missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    number: int
    name: str
    requirements: Sequence[Requirement]


class ChapterError(Exception):
    """A row of a chapter's file is empty or ambiguous."""


def chapters(folder: Path = CHAPTERS) -> list[Chapter]:
    """Raises ChapterError for a row that has no answer, or more than one."""
    return [_chapter(path) for path in sorted(folder.glob("v*.toml"))]


def existing_tests(paths: Iterable[str]) -> set[str]:
    """`path::function` of every test in these files, found without running them."""
    return {
        f"{path}::{function.name}"
        for path in paths
        if (ROOT / path).is_file()
        for function in functions_of(ROOT / path)
    }


def contradictions(
    listed: Sequence[Chapter], *, counts: Sequence[int] = COUNTS, level_1: Sequence[int] = LEVEL_1
) -> list[str]:
    """Every contradiction as a sentence; empty if the list is complete and every test exists."""
    every = [one for chapter in listed for one in chapter.requirements]
    wrong = [
        f"{one} is listed twice" for one, times in Counter(r.id for r in every).items() if times > 1
    ]
    wrong += [
        f"{one.id} is not in the chapter of its number"
        for chapter in listed
        for one in chapter.requirements
        if one.id.partition(".")[0] != str(chapter.number)
    ]
    if [chapter.number for chapter in listed] != list(range(1, len(counts) + 1)):
        wrong.append(f"there are not {len(counts)} chapters")
    for chapter, count, first in zip(listed, counts, level_1, strict=False):
        levels = [one.level for one in chapter.requirements]
        if (len(levels), levels.count(1), levels.count(2)) != (count, first, count - first):
            wrong.append(
                f"V{chapter.number} has {levels.count(1)} requirements of level 1 and "
                f"{levels.count(2)} of level 2, instead of {first} and {count - first}"
            )
    return wrong + _missing(every)


def _missing(every: Collection[Requirement]) -> list[str]:
    found = existing_tests({test.partition("::")[0] for one in every for test in one.tests})
    wrong = [
        f"{one.id} names {test}, which does not exist"
        for one in every
        for test in one.tests
        if test not in found
    ]
    return wrong + [
        f"{one.id} names {document}, which does not exist"
        for one in every
        for document in re.findall(r"`([\w./-]+/[\w.-]+)`", one.words)
        if not (ROOT / document).exists()
    ]


def _chapter(path: Path) -> Chapter:
    rows = tomllib.loads(path.read_text())
    name = str(rows.pop("name"))
    number = int(path.stem.removeprefix("v"))
    return Chapter(
        number=number, name=name, requirements=[_requirement(*row) for row in rows.items()]
    )


def _requirement(id: str, row: dict[str, Any]) -> Requirement:
    answers = [status for status in Status if row.get(status.value)]
    unknown = row.keys() - {"level", "means"} - {status.value for status in Status}
    if len(answers) != 1 or unknown or not row.get("means"):
        raise ChapterError(f"{id} needs `means`, and exactly one answer: {sorted(row)}")
    [status] = answers
    answer = row[status.value]
    return Requirement(
        id=id,
        level=row["level"],
        means=row["means"],
        status=status,
        tests=tuple(answer) if status is Status.TESTED else (),
        words="" if status is Status.TESTED else answer,
    )
