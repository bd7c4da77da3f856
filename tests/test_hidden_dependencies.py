"""Dependencies between apps of the portal that no import shows: reverse relations, names of URLs,
template tags.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from django.apps import apps
from django.template.engine import Engine

from tests.parsed import parsed

ROOT: Final = Path(__file__).parent.parent
URL_NAME: Final = re.compile(r"(?P<namespace>[a-z]+):[a-z-]+")
DECLARED: Final = {("portal/mitigations/unknown.py", "unknown_mitigations")}
"""A new request replaces unknown mitigations like any other, and `portal.inventory`, which has
their rows, adopts them as requests.
"""
NAMESPACES: Final = ("accounts", "journal", "now", "readiness", "requests", "standby", "unknown")


def layers() -> dict[str, int]:
    """The rank of each app in import-linter's layers; the doors rank highest."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [order] = [one["layers"] for one in contracts if one["name"] == "portal layers"]
    return {
        app.strip().removeprefix("portal."): len(order) - index
        for index, row in enumerate(order)
        for app in row.split("|")
    }


RANKS: Final = layers()
DOORS: Final = ("api", "realtime", "web")


def sources(app: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "portal" / app).rglob("*.py")):
        if "migrations" not in path.parts:
            yield path, parsed(path.read_text())


def reverse_relations() -> dict[str, int]:
    """The names under which lower models reach the rows of higher apps, with the rank of the
    highest such app.
    """
    names: dict[str, int] = {}
    for model in apps.get_models():
        for relation in model._meta.related_objects:
            above, below = relation.related_model._meta.app_label, model._meta.app_label
            name = relation.get_accessor_name()
            if name and RANKS.get(above, 0) > RANKS.get(below, len(RANKS)):
                names[name] = max(names.get(name, 0), RANKS[above])
    return names


def forward_fields() -> set[str]:
    return {
        field.name
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if not field.auto_created or field.concrete
    }


@pytest.mark.parametrize("app", sorted(RANKS))
def test_no_app_reads_rows_of_a_higher_app_through_a_reverse_relation(app: str) -> None:
    ambiguous = forward_fields()
    higher = {
        name
        for name, rank in reverse_relations().items()
        if rank > RANKS[app] and name not in ambiguous
    }
    used = {
        (str(path.relative_to(ROOT)), name)
        for path, tree in sources(app)
        for node in ast.walk(tree)
        for name in names_in(node)
        if name in higher
    }

    assert used <= DECLARED


def test_no_model_refers_to_a_higher_app() -> None:
    """A lazy reference such as `"mitigations.Mitigation"` imports nothing, but is a dependency all
    the same.
    """
    refers_up = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.related_model
        if RANKS.get(field.related_model._meta.app_label, 0)
        > RANKS.get(model._meta.app_label, len(RANKS))
    ]

    assert refers_up == []


def names_in(node: ast.AST) -> Iterator[str]:
    """Attributes, and the steps of lookups such as `filter(plan__name=…)` and
    `select_related("plan")`.
    """
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        yield from (step for one in node.keywords if one.arg for step in one.arg.split("__")[:-1])
        texts = (one.value for one in node.args if isinstance(one, ast.Constant))
        yield from (step for text in texts if isinstance(text, str) for step in text.split("__"))


@pytest.mark.parametrize("app", sorted(set(RANKS) - set(DOORS)))
def test_only_doors_know_the_names_of_pages(app: str) -> None:
    """Except for `get_absolute_url` of a model, a Django convention."""
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"
        for path, tree in sources(app)
        for node in ast.walk(without_absolute_urls(tree))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (name := URL_NAME.fullmatch(node.value))
        and name["namespace"] in NAMESPACES
    ]

    assert used == []


def without_absolute_urls(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.body = [
                one for one in node.body if getattr(one, "name", "") != "get_absolute_url"
            ] or [ast.Pass()]
    return tree


def test_template_tags_belong_to_the_pages_or_to_every_app() -> None:
    libraries = Engine.get_default().libraries

    ours = {name: module for name, module in libraries.items() if module.startswith("portal.")}

    assert "portal" in ours
    assert all(module.startswith(("portal.core.", "portal.web.")) for module in ours.values())
