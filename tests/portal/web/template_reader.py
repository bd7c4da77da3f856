"""Reads parsed templates with what they extend and include, and finds the names that no page gives
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.template import Node, NodeList, Template, Variable, engines
from django.template.base import FilterExpression, Origin
from django.template.defaulttags import ForNode, WithNode
from django.template.loader_tags import BlockNode, ExtendsNode, IncludeNode
from django.template.smartif import TokenBase

from tests.portal.web.shapes import Kind, MissingAttributeError, at, element, unpacked

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
ANY_FRAGMENT = ""
"""The fragments of an include whose template a variable names."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name, or an attribute of one, that a template reads but that does not exist."""

    path: str
    template: str


def template(name: str) -> Template:
    found: Template = engines["django"].get_template(name).template  # type: ignore[attr-defined]
    return found


def optional_names() -> dict[str, set[str]]:
    """Names that some `{% include … with … %}` passes to a fragment: they may be missing in the
    others.
    """
    found: dict[str, set[str]] = {}
    for path in TEMPLATES.rglob("*.html"):
        nodes = template(str(path.relative_to(TEMPLATES))).nodelist
        for node in nodes.get_nodes_by_type(IncludeNode):
            assert isinstance(node, IncludeNode)
            names = found.setdefault(literal(node.template) or ANY_FRAGMENT, set())
            names.update(node.extra_context)
    return found


class Reader:
    """Walks through a template. `known`: the type of each name that is given to it."""

    def __init__(self, optional: Mapping[str, set[str]]) -> None:
        self._optional = optional
        self._blocks: dict[str, BlockNode] = {}
        self.read: set[str] = set()
        "the names that were read so far"

    def unknown(self, name: str, known: Mapping[str, Kind]) -> Iterator[Unknown]:
        optional = self._optional.get(name, set()) | self._optional.get(ANY_FRAGMENT, set())
        scope = {**dict.fromkeys(optional, Any), **known}
        yield from self._of_nodes(template(name).nodelist, scope, name)

    def _of_nodes(
        self, nodes: Iterable[Node], known: dict[str, Kind], template: str
    ) -> Iterator[Unknown]:
        """`known` grows with each `as` for the nodes after it."""
        for node in nodes:
            yield from self._of_node(node, known, template)
            for attribute in ("asvar", "target_var"):
                if name := getattr(node, attribute, None):
                    known[name] = Any

    def _of_node(self, node: Node, known: dict[str, Kind], template: str) -> Iterator[Unknown]:
        for path in sorted(read_by(node)):
            self.read.add(path.partition(".")[0])
            if kind_of(path, known) is None:
                yield Unknown(path, template)
        match node:
            case ExtendsNode():
                for name, block in node.blocks.items():
                    self._blocks.setdefault(name, block)
                yield from self.unknown(literal(node.parent_name) or "", known)
            case BlockNode():
                own = self._blocks.get(node.name, node)
                yield from self._of_nodes(own.nodelist, dict(known), origin(own, template))
            case IncludeNode():
                if fragment := literal(node.template):
                    yield from self.unknown(fragment, known | given(node.extra_context, known))
            case ForNode():
                kinds = unpacked(element(kind_of_value(node.sequence, known)), len(node.loopvars))
                inner = known | dict(zip(node.loopvars, kinds, strict=True))
                yield from self._of_nodes(node.nodelist_loop, inner, template)  # type: ignore[arg-type]
                yield from self._of_nodes(node.nodelist_empty, dict(known), template)  # type: ignore[arg-type]
            case WithNode():
                inner = known | given(node.extra_context, known)
                yield from self._of_nodes(node.nodelist, inner, template)
            case _:
                for nodes in children(node):
                    yield from self._of_nodes(nodes, dict(known), template)


def literal(expression: object) -> str | None:
    """The template that an include or extends names; None if a variable names it."""
    assert isinstance(expression, FilterExpression)
    return expression.var if isinstance(expression.var, str) else None


def given(expressions: Mapping[str, object], known: Mapping[str, Kind]) -> dict[str, Kind]:
    return {name: kind_of_value(value, known) for name, value in expressions.items()}


def kind_of_value(expression: object, known: Mapping[str, Kind]) -> Kind:
    if not isinstance(expression, FilterExpression) or expression.filters:
        return Any
    found = list(variables(expression.var))
    return (kind_of(str(found[0].var), known) or Any) if found else Any


def kind_of(path: str, known: Mapping[str, Kind]) -> Kind | None:
    """None: it does not exist."""
    name, _, rest = path.partition(".")
    try:
        return at(known[name], rest)
    except (KeyError, MissingAttributeError):
        return None


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
    """The paths in the node's own tag, whatever kind of tag it is."""
    return {str(variable.var) for value in vars(node).values() for variable in variables(value)}


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
