"""Every name that a page's template reads is a field of the page's dataclass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import ClassVar

import pytest
from django.template import Node, NodeList, Template, Variable, engines
from django.template.base import FilterExpression, Origin
from django.template.defaulttags import ForNode, WithNode
from django.template.loader_tags import BlockNode, ExtendsNode, IncludeNode
from django.template.smartif import TokenBase

from portal.core.context_processors import installation
from portal.web.rendering import FramedPage, Page

ROOT = Path(__file__).resolve().parents[3]
ALWAYS = frozenset(
    {
        *("request", "user", "perms", "messages", "csrf_token"),
        *("forloop", "block", "True", "False", "None"),
        *installation(),
    }
)
"""Names added by Django and the context processors."""
ANY = ""
"""The fragments of an include whose template a variable names."""


def template(name: str) -> Template:
    """The parsed template, not rendered."""
    found: Template = engines["django"].get_template(name).template  # type: ignore[attr-defined]
    return found


def pages() -> list[type[Page]]:
    """All dataclasses of pages that can be rendered."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "portal" / "web").rglob("*.py"))
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


def optional_names() -> dict[str, set[str]]:
    """Names that some `{% include … with … %}` passes to a fragment: it may be missing in the
    others.
    """
    found: dict[str, set[str]] = {}
    for path in (ROOT / "templates").rglob("*.html"):
        nodes = template(str(path.relative_to(ROOT / "templates"))).nodelist
        for node in nodes.get_nodes_by_type(IncludeNode):
            assert isinstance(node, IncludeNode)
            names = found.setdefault(included(node) or ANY, set())
            names.update(node.extra_context)
    return found


def included(node: IncludeNode) -> str | None:
    """The included file; None if a variable names it."""
    return literal(node.template)


def literal(expression: object) -> str | None:
    assert isinstance(expression, FilterExpression)
    return expression.var if isinstance(expression.var, str) else None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that a template reads but no context sets."""

    name: str
    template: str


class Reader:
    """Walks through a template, the ones it extends and the ones it includes."""

    def __init__(self, optional: Mapping[str, set[str]]) -> None:
        self._optional = optional
        self._blocks: dict[str, BlockNode] = {}

    def unknown(self, name: str, known: frozenset[str]) -> Iterator[Unknown]:
        known |= self._optional.get(name, set()) | self._optional.get(ANY, set())
        yield from self._of_nodes(template(name).nodelist, set(known), name)

    def _of_nodes(self, nodes: Iterable[Node], known: set[str], at: str) -> Iterator[Unknown]:
        """`known` grows with each `as` for the nodes after it."""
        for node in nodes:
            yield from self._of_node(node, known, at)
            for attribute in ("asvar", "target_var"):
                if name := getattr(node, attribute, None):
                    known.add(name)

    def _of_node(self, node: Node, known: set[str], at: str) -> Iterator[Unknown]:
        for name in sorted(read_by(node) - known):
            yield Unknown(name, at)
        inner = set(known)
        match node:
            case ExtendsNode():
                for name, block in node.blocks.items():
                    self._blocks.setdefault(name, block)
                yield from self.unknown(literal(node.parent_name) or "", frozenset(known))
            case BlockNode():
                own = self._blocks.get(node.name, node)
                yield from self._of_nodes(own.nodelist, inner, origin(own, at))
            case IncludeNode():
                if fragment := included(node):
                    yield from self.unknown(fragment, frozenset(inner | set(node.extra_context)))
            case ForNode():
                inner.update(node.loopvars)
                yield from self._of_nodes(node.nodelist_loop, inner, at)  # type: ignore[arg-type]
                yield from self._of_nodes(node.nodelist_empty, set(known), at)  # type: ignore[arg-type]
            case WithNode():
                inner.update(node.extra_context)
                yield from self._of_nodes(node.nodelist, inner, at)
            case _:
                for nodes in children(node):
                    yield from self._of_nodes(nodes, set(known), at)


def origin(node: Node, otherwise: str) -> str:
    found: Origin | None = getattr(node, "origin", None)
    return str(found.template_name) if found else otherwise


def children(node: Node) -> Iterator[NodeList]:
    for name in node.child_nodelists:
        if nodes := getattr(node, name, None):
            yield nodes
    for _, nodes in getattr(node, "conditions_nodelists", ()):
        yield nodes


def read_by(node: Node) -> set[str]:
    """The names in the node's own tag, whatever kind of tag it is."""
    return {
        str(variable.var).partition(".")[0]
        for value in vars(node).values()
        for variable in variables(value)
    }


def variables(value: object) -> Iterator[Variable]:
    match value:
        case Variable():
            if value.lookups is not None:
                yield value
        case FilterExpression():
            yield from variables(value.var)
            for one in value.filters:
                for _, argument in one[1]:
                    yield from variables(argument)
        case NodeList() | Node():
            return
        case dict():
            for one in value.values():
                yield from variables(one)
        case list() | tuple():
            for one in value:
                yield from variables(one)
        case TokenBase():
            # The operands of an `{% if %}`.
            for name in ("first", "second", "value"):
                yield from variables(getattr(value, name, None))


def names_of(page: type[Page]) -> frozenset[str]:
    return ALWAYS | {field.name for field in fields(page)}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.__name__)
def test_a_page_has_a_field_for_every_name_in_its_templates(page: type[Page]) -> None:
    optional = optional_names()
    templates = [page.template, *(page.parts.values() if issubclass(page, FramedPage) else ())]

    assert [
        one for name in templates for one in Reader(optional).unknown(name, names_of(page))
    ] == []


def test_a_name_without_a_field_is_found_wherever_it_is_read() -> None:
    class Nothing(Page):
        template: ClassVar = "requests/requests.html"

    found = {
        one.name for one in Reader(optional_names()).unknown(Nothing.template, names_of(Nothing))
    }

    assert {"frame", "rows", "is_filtered", "statuses", "older", "here"} <= found
    assert not {"past", "one", "message"} & found
