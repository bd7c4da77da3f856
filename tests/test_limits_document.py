"""The table of limits in docs/operations.md names constants that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.parsed import parsed

ROOT = Path(__file__).parents[1]
SECTION = re.compile(r"## Limits on requests\n(.*?)\n### Live requests", re.DOTALL)
NAMED = re.compile(r"((?:`[A-Z_]+`(?:, )?)+) in `([\w/]+\.py)`")


def constants(path: str) -> set[str]:
    """Names that a module assigns, at its top or in a class."""
    return {
        target.id
        for node in ast.walk(parsed((ROOT / path).read_text()))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def test_each_limit_of_the_table_is_a_constant_of_its_module() -> None:
    section = SECTION.search((ROOT / "docs/operations.md").read_text())
    assert section is not None
    named = [
        (name, path)
        for names, path in NAMED.findall(section[1])
        for name in re.findall(r"`(\w+)`", names)
    ]

    assert len(named) > 20
    assert [one for one in named if one[0] not in constants(one[1])] == []


def test_each_row_of_the_table_names_its_limit() -> None:
    section = SECTION.search((ROOT / "docs/operations.md").read_text())
    assert section is not None
    rows = [line for line in section[1].splitlines() if line.startswith("| ")][2:]

    assert [row for row in rows if not re.search(r"`[A-Z_]{4,}`|`portal/[\w/]+\.py`", row)] == []
