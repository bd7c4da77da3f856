"""How to set up a detector of each source: the text beside its mapper, with the address and the
secret filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from portal.alerts.mapping import AlertSource

HIDDEN: Final = "SECRET"
"""Stands for the secret where it cannot be shown."""
_SOURCES: Final = Path(__file__).parent / "sources"
_INDENT: Final = "    "


SIGNING: Final = frozenset({AlertSource.PLAIN, AlertSource.GRAFANA, AlertSource.FLOWTRIQ})
"""The sources that can sign what they send. Your own program may send `plain`."""


@dataclass(frozen=True, slots=True)
class SetupStep:
    """What to do, and what to copy for it."""

    words: str
    code: str = ""


def setup_steps(
    source: AlertSource, *, url: str, secret: str = HIDDEN, is_signed: bool = False
) -> list[SetupStep]:
    """`url`: of the endpoint; `is_signed`: the detector signs what it sends."""
    text = _text(source, is_signed=is_signed)
    return _steps(text.replace("@URL@", url).replace("@SECRET@", secret))


@cache
def _text(source: AlertSource, *, is_signed: bool) -> str:
    folder = _SOURCES / source.value.replace("-", "_")
    if not is_signed:
        return (folder / "setup.txt").read_text()
    own = folder / "signed.txt"
    return (own if own.exists() else _SOURCES / "signed.txt").read_text()


def _steps(text: str) -> list[SetupStep]:
    """Indented lines are code; the paragraph before them says what it is for."""
    steps: list[SetupStep] = []
    words: list[str] = []
    code: list[str] = []
    for line in [*text.splitlines(), "end"]:
        if line.startswith(_INDENT) or (code and not line):
            code.append(line.removeprefix(_INDENT))
            continue
        if code:
            steps.append(SetupStep(" ".join(words), "\n".join(code).rstrip()))
            words, code = [], []
        if line:
            words.append(line)
    if words[:-1]:
        steps.append(SetupStep(" ".join(words[:-1])))
    return steps
