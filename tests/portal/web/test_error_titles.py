"""The title of a page that shows a form again with an error begins with "Error:"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

TEMPLATES: Final = Path(__file__).parents[3] / "templates"
AT_A_FIELD: Final = re.compile(r"{% field_error|{% form_error (?:error|form)|aria-invalid=")
PARTS: Final = re.compile(r'{% (?:include|extends) "([^"]+)"')
OTHERS: Final = {
    "requests/new_checked.html": "parts of the page requests/new.html, without a title",
}


def parts_of(name: str) -> set[str]:
    """The template, and all that it includes or extends."""
    found, left = set[str](), {name}
    while left:
        found |= left
        texts = [(TEMPLATES / one).read_text() for one in left]
        left = {part for text in texts for part in PARTS.findall(text)} - found
    return found


def pages_with_errors() -> list[str]:
    names = (str(path.relative_to(TEMPLATES)) for path in sorted(TEMPLATES.rglob("[!_]*.html")))
    own = (name for name in names if not name.startswith("admin/") and name not in OTHERS)
    return [
        name
        for name in own
        if any(AT_A_FIELD.search((TEMPLATES / part).read_text()) for part in parts_of(name))
    ]


@pytest.mark.parametrize("name", pages_with_errors())
def test_every_page_with_an_error_at_a_field_can_say_so_in_its_title(name: str) -> None:
    titles = [
        block
        for part in parts_of(name)
        for block in re.findall(r"{% block (?:state|title) %}(.*)", (TEMPLATES / part).read_text())
    ]

    assert any("Error: " in one for one in titles)
