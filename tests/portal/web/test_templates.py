"""Every name that a page's template reads is a field or property of the page's dataclass, and every
attribute that it reads of one exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, get_type_hints

import pytest
from django.template import engines

from portal.core.context_processors import installation
from portal.web.options import Option
from portal.web.rendering import FramedPage, Page, properties_of
from tests.portal.web.shapes import Kind
from tests.portal.web.template_reader import TEMPLATES, Reader, Unknown, optional_names

FILES = sorted(path for path in TEMPLATES.rglob("*") if path.is_file())
ALWAYS = {
    *("request", "user", "perms", "messages", "csrf_token"),
    *("forloop", "block", "True", "False", "None"),
    *installation(),
}
"""Names added by Django and the context processors."""


def pages() -> list[type[Page]]:
    """All dataclasses of pages that can be rendered."""
    root = TEMPLATES.parent
    names = [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in sorted((root / "portal" / "web").rglob("*.py"))
    ]
    return [
        one
        for name in names
        for one in vars(import_module(name)).values()
        if isinstance(one, type)
        and issubclass(one, Page)
        and one.__module__ == name
        and hasattr(one, "template")
    ]


def templates_of(page: type[Page]) -> list[str]:
    return [page.template, *(page.parts.values() if issubclass(page, FramedPage) else ())]


def read(page: type[Page]) -> tuple[set[str], list[Unknown]]:
    """The names that the page's templates read, and the paths of them that do not exist."""
    hints = get_type_hints(page)
    known: dict[str, Kind] = {one.name: hints[one.name] for one in fields(page)}
    known |= {name: get_type_hints(one.fget)["return"] for name, one in properties_of(page).items()}
    known |= dict.fromkeys(ALWAYS, Any)
    optional, names, unknown = optional_names(), set[str](), list[Unknown]()
    for template in templates_of(page):
        reader = Reader(optional)
        unknown += reader.unknown(template, known)
        names |= reader.read
    return names, unknown


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.__name__)
def test_a_page_has_a_field_for_every_name_in_its_templates_and_no_other(page: type[Page]) -> None:
    names, unknown = read(page)

    assert unknown == []
    # A page with another template for the same values need not read all of them.
    own = {one.name for one in fields(page)} & set(page.__annotations__)
    assert own - names == set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incomplete(FramedPage):
    """A page without some of what its template reads."""

    template: ClassVar = "requests/requests.html"

    rows: list[Option]
    whens: list[Option]


def test_a_name_or_an_attribute_that_does_not_exist_is_found_wherever_it_is_read() -> None:
    found = {one.path for one in read(Incomplete)[1]}

    assert {"is_filtered", "statuses", "older", "past.request.name", "past.chip"} <= found
    assert not {path for path in found if path.startswith(("one.", "frame", "message"))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_loads_no_library_that_it_does_not_use(path: Path) -> None:
    text = path.read_text()
    libraries = engines["django"].engine.template_libraries  # type: ignore[attr-defined]
    loaded = re.findall(r"{% load (.+?) %}", text)

    for name in (name for names in loaded for name in names.split()):
        tags = "|".join(libraries[name].tags)
        filters = "|".join(libraries[name].filters)
        assert re.search(rf"{{% (?:{tags or '-'})\b|\|(?:{filters or '-'})\b", text), name
