"""The glossary of docs/architecture.md explains the domain words that the source uses often."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django import forms, http
from django.db import models
from rest_framework import serializers

from tests.parsed import parsed

ROOT = Path(__file__).resolve().parent.parent
OFTEN = 50
PLAIN_WORDS = """
able about account act added admin after again allow amount answer answered app arg asyncio at
atomic attempt auth back be because before began begin body cache call caller can cancel change
changed checked chosen clock close cls code collection commit condition config content context
created database dataclass day digest direction done down each earlier enabled end ended ending
entry every expired failed failure final fix flat following free frozen fullmatch given headline
here hold host hour info invalid ipaddress isnull iterable kept kind kw label left length limit
line link listed lock locked log logger logging longest loop lost lte made max may meaning min
minute missing moment more most named need needed network newer newest no note now obj octet of off
old older once operation origin other our out over overlap own page part passed pause people per
person piece place plural port portal prepared previous problem progress protocol put rate re
reason received record refresh registry render reported requested require required rest result
running safe said same saved say schema scheme second secret security seen self send sent sentence
seq sequence service several severity shape shared short shown sign signed since size slot source
staff start state step still stopped strict subject table take taken task tell template test thread
timedelta token too total traffic transaction transport unit unread until up uri usage use username
validated view wait waiting what which who several whole why within without word wrong
"""
"""Words of everyday English or of programming, which a reader knows."""
IRREGULAR = {"cls": "cls", "uris": "uri", "used": "use"}
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


@cache
def words(name: str) -> list[str]:
    """The words of an identifier or a phrase in lower case and, roughly, in the singular."""
    found = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", name)
    return [singular(word.lower()) for word in found]


def singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("uses", "xes", "esses")):
        return word[:-2]
    if word in IRREGULAR:
        return IRREGULAR[word]
    is_plural = word.endswith("s") and not word.endswith(("ss", "us", "is", "as"))
    return word[:-1] if is_plural else word


@cache
def used() -> Counter[str]:
    counted: Counter[str] = Counter()
    for path in (ROOT / "portal").rglob("*.py"):
        if "migrations" not in path.parts:
            for name in names(parsed(path.read_text())):
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
