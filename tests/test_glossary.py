"""The glossary of docs/architecture.md explains the domain words that the source uses often."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from django import forms, http
from django.db import models
from rest_framework import serializers

ROOT = Path(__file__).resolve().parent.parent
OFTEN = 50
PLAIN_WORDS = """
able about act admin after again allow answer answered app arg asyncio at atomic attempt back be
because before begin body cache call caller can change changed checked chosen clock close cls code
collection config content context database dataclass day digest direction done down earlier end
ended ending entry every failure final fix flat following free frozen fullmatch given headline here
host info invalid ipaddress isnull iterable kept kind kw label left length limit line link listed
lock locked log logger logging longest loop lost max may min missing moment more most named network
newer newest no note now obj octet of off old older once operation origin other out over overlap own
page part pause per person piece place port portal prepared problem progress protocol put rate re
reason record refresh registry render reported requested require required rest result running said
same saved say schema scheme second secret seen self send sent sentence seq sequence service shape
short shown sign since size slot source staff start state step still stopped subject table take
taken task tell template thread timedelta token total traffic transaction transport unit until up
uri usage username view wait waiting what which who whole why within without word wrong
"""
"""Words of everyday English or of programming, which a reader knows."""
IRREGULAR = {"cls": "cls", "uris": "uri"}
PLAIN = frozenset(PLAIN_WORDS.split())
KNOWN_ELSEWHERE = (*keyword.kwlist, *keyword.softkwlist, *dir(builtins))
FRAMEWORK = (str, dict, list, set, models, models.QuerySet, models.Field, forms, http, serializers)


def names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.keyword(arg=str(name)):
                yield name


def words(name: str) -> list[str]:
    """The words of an identifier or a phrase in lower case and, roughly, in the singular."""
    found = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", name)
    return [singular(word.lower()) for word in found]


def singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("uses", "xes")):
        return word[:-2]
    if word in IRREGULAR:
        return IRREGULAR[word]
    is_plural = word.endswith("s") and not word.endswith(("ss", "us", "is", "as"))
    return word[:-1] if is_plural else word


def used() -> Counter[str]:
    counted: Counter[str] = Counter()
    for path in (ROOT / "portal").rglob("*.py"):
        if "migrations" not in path.parts:
            for name in names(ast.parse(path.read_text())):
                counted.update(words(name))
    return counted


def glossary() -> set[str]:
    text = (ROOT / "docs/architecture.md").read_text()
    section = text[text.index("## Glossary") : text.index("## See also")]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return {word for row in rows for word in words(row)}


def test_every_frequent_domain_word_is_in_the_glossary() -> None:
    library = {word for name in KNOWN_ELSEWHERE for word in words(name)}
    library |= {word for thing in FRAMEWORK for name in dir(thing) for word in words(name)}
    often = {word for word, count in used().items() if count > OFTEN and len(word) > 1}

    assert sorted(often - PLAIN - library - glossary()) == []


def test_the_glossary_explains_no_unused_word() -> None:
    everywhere = {
        singular(word)
        for package in ("portal", "dots_client")
        for path in (ROOT / package).rglob("*.py")
        for word in re.findall(r"[a-z]+", path.read_text().lower())
    }

    assert sorted(word for word in glossary() if word not in everywhere) == []


def test_every_listed_plain_word_is_used() -> None:
    counted = used()

    assert sorted(word for word in PLAIN if counted[word] < OFTEN // 2) == []
