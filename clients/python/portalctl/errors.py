"""How a command ends: each error has its exit code."""

from __future__ import annotations

from typing import ClassVar, Final

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3


class CommandError(Exception):
    """Ends the command. `str()` is for the person at the terminal; it may have several lines."""

    exit_code: ClassVar[int] = REFUSED


class RefusedError(CommandError):
    """The portal answered, and refused."""

    def __init__(self, said: str, body: dict[str, object] | None = None) -> None:
        super().__init__(said)
        self.body = body
        "the problem of the portal, if it sent one"


class UsageError(CommandError):
    """The arguments, the files or the standard input are wrong; nothing was sent."""

    exit_code: ClassVar[int] = USAGE


class UnreachableError(CommandError):
    """No answer came, or one that only says that the portal is not there now (502, 503, 504)."""

    exit_code: ClassVar[int] = UNREACHABLE
