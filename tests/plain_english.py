"""Phrases that mark translated English, and the texts in which to look for them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tests.parsed import parsed

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = (
    "clients",
    "dots_client",
    "dots_server",
    "local_stack",
    "portal",
    "provider_simulator",
)
GENERATED: Final = frozenset({"conformance.md", "state-machines.md"})
COMMENTS: Final = re.compile(
    r"""(\#[^\n]*(?:\s*\n\s*\#[^\n]*)*)
    |(\"{3}|'{3})(?:\\.|[^\\])*?\2|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""",
    re.DOTALL | re.VERBOSE,
)
"""Comments on following lines are one. The strings are skipped: a # in them begins no comment."""
CODES: Final = frozenset({"by hand"})
"""Values in stored events that look like words."""
Phrases = dict[str, str]
"""What to write instead, by pattern. A pattern that begins with (?: may match inside a word."""
A_NOUN: Final = "a noun: do not use a relative clause as the subject"
EVERYWHERE: Final[Phrases] = {
    r"([Nn]o|[Ss]ome|[Aa]ny)body": "say who: no provider, no one, another person",
    r"(by|of) (itself|themselves)": "automatically, or on its own",
    r"by hand": "manually",
    r"mend(s|ed|ing)?": "fix",
    r"anew": "again, or: restart",
    r"let(s|ting)? go": "release",
    r"in words": "leave it out, or: as text",
    r"(is|are|was) from then": "this is the last known status",
    r"put \S+ \S+ aside": "stopped holding",
    r"[Ww]hoever": A_NOUN,
    r"(?:^|[.:;] )Who (was|is|were|has|had)": A_NOUN,
    r"(?:^|[.;] )Of (a|an|the|who)": "For a plan: …",
    r"there and back": "round trip",
    r"com(e|es|ing) about": "starts",
    r"so far as": "as; or: if",
    r"says? of (it|them|the|a)": "says that it …",
    r", for (it|they|there|nothing) [a-z]+": "a clause with because",
    r"for so long": "this long",
    r"of (its|their|our|your) own(?! [a-z])": "own before the noun, separate, or: on its own",
}
SHOWN: Final[Phrases] = EVERYWHERE | {
    r"(is|are|be) kept": "saved, or state the limit",
    r"[Nn]ext try (at|in|within)": "for the portal: Retrying at …; for people: Try again in …",
    r"[Nn]ot told( yet)?": "Stop request not confirmed",
    r"[Tt]ake(s)? a detour": "is diverted",
    r"not because you asked": "this portal did not ask it to",
    r"in peace": "in peacetime",
    r"hang(s|ing)? on": "depends on",
}
_VERB: Final = r"(is|are|was|were|has|have|may|can|cannot|must|does|goes|gets|stays|becomes|comes)"
_ONE_CLAUSE: Final = (
    r"((?!\b(when|if|once|after|while|before|because|that|which|what|who|how|as)\b)[^.:;,])*"
)
IN_CODE: Final[Phrases] = EVERYWHERE | {
    rf"(?:^|[.:;] )(What|Who) {_ONE_CLAUSE}\b{_VERB} {_ONE_CLAUSE} {_VERB}": A_NOUN,
    r"[Ww]hom": "the provider, or the person",
    r"[Ee]verybody": "every role, or every caller",
    r"(is|are|was|were|be) told": "gets, learns or sees",
    r"(goes|go|went) on": "continues",
    r"(says?|said|tells?|told|speaks?) of": "says about, or mentions",
    r"(?:^|[.;] )Else": "Otherwise",
    r"lately": "recently",
    r"shall": "should, or must",
    r"upside down": "reversed",
    r"(at present|the present (session|settings|connection|name))": "now, or current",
    r"(?<!here )(is|are) no (news|failure|attack|pause|error|choice|success)": "is not a …",
}
IN_NAMES: Final[Phrases] = IN_CODE | {
    r"(?:^)(what|who|whose|which|that|whether|of)": "test_<subject>_<does>_<when>",
    r"(is|are) (not )?said": "is shown, or is named",
    r"in the same breath": "in the same transaction",
}


def phrases_in(text: str, phrases: Phrases) -> Iterator[str]:
    """Each phrase found, with its surroundings and what to write instead."""
    for phrase, instead in phrases.items():
        before = "" if phrase.startswith("(?:") else r"(?<![\w-])"
        for found in re.finditer(rf"{before}{phrase}(?![\w-])", text):
            around = text[max(0, found.start() - 40) : found.end() + 40]
            yield f"“{found[0]}” in “{around}”: instead: {instead}"


def sources(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Of modules, classes, functions and attributes."""
    for part in ("body", "handlers", "cases", "orelse", "finalbody"):
        for node in getattr(tree, part, ()):
            if not isinstance(node, ast.Expr):
                yield from _docstrings(node)
            elif isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                yield node.value


def literals(source: str) -> Iterator[str]:
    """The texts in a module, except docstrings; {} stands for each value that is filled in."""
    tree = parsed(source)
    apart = {id(docstring) for docstring in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            apart.update(id(part) for part in node.values)
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart
        ):
            yield node.value


def explanations(source: str) -> Iterator[str]:
    """The docstrings and comments of a module without `code`; a comment of several lines is one."""
    for docstring in _docstrings(parsed(source)):
        for paragraph in str(docstring.value).split("\n\n"):
            yield _without_code(" ".join(paragraph.split()))
    for comment in COMMENTS.finditer(source):
        if comment[1]:
            yield _without_code(re.sub(r"\s*\n\s*#", "", comment[1]).removeprefix("#").strip())


def _without_code(text: str) -> str:
    return re.sub(r"`[^`]*`", "_", text)


def names_of_tests(source: str) -> Iterator[str]:
    """Without test_, with spaces."""
    for name in re.findall(r"^ *(?:async )?def test_(\w+)", source, re.MULTILINE):
        yield name.replace("_", " ")


def _template(text: str) -> str:
    """The text of a template without its tags."""
    return " ".join(re.sub(r"\{[%#].*?[%#]\}|<[^>]*>", " ", text, flags=re.DOTALL).split())


def _document(text: str) -> str:
    """The text of a Markdown document without code and the targets of links."""
    without_blocks = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return " ".join(re.sub(r"`[^`]*`|(?<=\])\([^)]*\)", "", without_blocks).split())


def _documents() -> Iterator[Path]:
    for place in (ROOT, ROOT / "dots_client", ROOT / "dots_server"):
        yield from place.glob("*.md")
    yield from (path for path in (ROOT / "docs").rglob("*.md") if path.name not in GENERATED)


def shown_texts() -> Iterator[tuple[str, str]]:
    """All that users and operators read, each with its file."""
    for place, source in sources(PACKAGES):
        if "/migrations/" not in place:
            yield from (
                (place, text) for text in literals(source) if " " in text and text not in CODES
            )
    for path in sorted((ROOT / "templates").rglob("*.*")):
        yield str(path.relative_to(ROOT)), _template(path.read_text())
    for path in sorted((ROOT / "static" / "js").glob("*.js")):
        for text in re.findall(r'["`]([^"`\n]* [^"`\n]*)["`]', path.read_text()):
            yield str(path.relative_to(ROOT)), text
    for path in _documents():
        yield str(path.relative_to(ROOT)), _document(path.read_text())
    yield "docs/openapi.yaml", " ".join((ROOT / "docs" / "openapi.yaml").read_text().split())
