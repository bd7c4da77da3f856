from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READERS = {"text", "flag", "integer", "items", "secret"}


def test_every_variable_is_documented_once_and_every_documented_one_is_read() -> None:
    documented = Counter(
        re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    )

    assert set(documented) == variables_read_by_the_portal()
    assert set(documented.values()) == {1}


def variables_read_by_the_portal() -> set[str]:
    calls = [
        node
        for path in (ROOT / "portal").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr in READERS) == ("env", True)
        and isinstance(call.args[0], ast.Constant)
    }
