"""CONTRIBUTING.md: a module of code or tests is split past 400 lines."""

from __future__ import annotations

from tests.plain_english import PACKAGES, sources

MOST_LINES = 400


def test_no_module_is_longer_than_400_lines() -> None:
    lines = {place: text.count("\n") for place, text in sources((*PACKAGES, "tests"))}

    assert "tests/test_module_length.py" in lines
    assert not {place: count for place, count in lines.items() if count > MOST_LINES}
