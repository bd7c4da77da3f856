"""Everything that a command takes from its surroundings, so that tests can give their own."""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from portalctl.errors import UsageError


def _ask(question: str) -> str:
    """On the terminal, not on the standard output, which may go to a program."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Answers go to the standard output, everything about the work to the standard error."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    read: Callable[[int], str] = field(default_factory=lambda: sys.stdin.read)
    """The standard input, at most so many characters."""
    is_interactive: Callable[[], bool] = field(default_factory=lambda: sys.stdin.isatty)
    ask: Callable[[str], str] = _ask
    ask_secret: Callable[[str], str] = getpass.getpass
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    sleep: Callable[[float], None] = time.sleep

    def say(self, lines: str | Iterable[str]) -> None:
        for line in [lines] if isinstance(lines, str) else lines:
            self.out.write(f"{line}\n")
        self.out.flush()

    def say_json(self, value: Any) -> None:
        """One line, so that a program can read a stream of them."""
        self.say(json.dumps(value))

    def note(self, line: str) -> None:
        self.err.write(f"portalctl: {line}\n")
        self.err.flush()

    def text(self, most: int) -> str:
        """The whole standard input.

        :raises UsageError: it is longer than `most` characters, or is not text.
        """
        try:
            found = self.read(most + 1)
        except UnicodeDecodeError as error:
            raise UsageError("The standard input is not text in UTF-8.") from error
        if len(found) > most:
            raise UsageError(f"The standard input is longer than {most:,} characters.")
        return found
