"""The table of security requirements is complete, and each answer leads somewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.asvs.__main__ import page
from tests.asvs.requirements import (
    COUNTS,
    LEVEL_1,
    Chapter,
    ChapterError,
    Requirement,
    Status,
    chapters,
    contradictions,
)
from tests.conformance.rules import ROOT

HERE = "tests/asvs/test_requirements.py"
MET = Requirement(
    id="1.1.1",
    level=1,
    means="Read input once.",
    status=Status.TESTED,
    tests=(f"{HERE}::test_an_empty_row_is_refused",),
)
NOT_MET = Requirement(
    id="1.1.2", level=2, means="Write output last.", status=Status.GAP, words="no one wrote it"
)
CHAPTER = Chapter(number=1, name="Encoding", requirements=[MET, NOT_MET])


def wrong(*changed: Requirement) -> list[str]:
    return contradictions([replace(CHAPTER, requirements=changed)], counts=[2], level_1=[1])


def test_every_requirement_is_listed_with_an_answer_that_leads_somewhere() -> None:
    assert contradictions(chapters()) == []
    assert (sum(COUNTS), sum(LEVEL_1)) == (253, 70)


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/asvs.md").read_text() == page(chapters())


def test_a_missing_requirement_is_noticed() -> None:
    assert wrong(MET, NOT_MET) == []
    assert wrong(MET) == ["V1 has 1 requirements of level 1 and 0 of level 2, instead of 1 and 1"]


def test_a_repeated_or_misplaced_requirement_is_noticed() -> None:
    assert wrong(MET, replace(NOT_MET, id="1.1.1")) == ["1.1.1 is listed twice"]
    assert wrong(MET, replace(NOT_MET, id="2.1.1")) == ["2.1.1 is not in the chapter of its number"]


@pytest.mark.parametrize("test", [f"{HERE}::test_that_was_renamed", "tests/gone.py::test_it"])
def test_a_test_that_does_not_exist_is_noticed(test: str) -> None:
    assert wrong(replace(MET, tests=(test,)), NOT_MET) == [
        f"1.1.1 names {test}, which does not exist"
    ]


def test_a_document_that_does_not_exist_is_noticed() -> None:
    assert wrong(MET, replace(NOT_MET, words="`docs/people.md`, `docs/gone.md`")) == [
        "1.1.2 names docs/gone.md, which does not exist"
    ]


@pytest.mark.parametrize(
    "row",
    [
        'means = "x"',
        'means = "x"\nreason = ""',
        'means = "x"\ntests = []',
        'means = ""\nreason = "y"',
        'reason = "y"',
        'means = "x"\nreason = "y"\ngap = "z"',
        'means = "x"\nreasons = "y"',
    ],
)
def test_an_empty_row_is_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "v01.toml").write_text(f'name = "Encoding"\n["1.1.1"]\nlevel = 1\n{row}\n')

    with pytest.raises(ChapterError, match=r"1\.1\.1"):
        chapters(tmp_path)


def test_the_gaps_are_at_the_top_with_counts() -> None:
    text = page([CHAPTER])

    assert "| **All** | 2 | 1 | 0 | 0 | 1 |" in text
    assert "- **1.1.2** (level 2): no one wrote it" in text
    assert f"[an empty row is refused](../{HERE})" in text
