"""Passwords that leaked elsewhere: a search in a file of their hashes. No password leaves the
portal for it.
"""

from __future__ import annotations

import hashlib
from io import SEEK_END
from pathlib import Path
from typing import IO, Final

HASH_LENGTH: Final = 40
"""SHA-1 in hexadecimal digits."""
MAX_LINE_BYTES: Final = 200


class NotALeakList(Exception):
    """The file cannot be read, or does not begin with a hash."""


def is_leaked(password: str, path: str) -> bool:
    """`path`: a file with one SHA-1 hash per line, in order, with anything after a colon: the form
    of "Pwned Passwords, ordered by hash". Raises OSError. Reads about 40 lines of any file.
    """
    sought = _hash_of(password)
    with Path(path).open("rb") as hashes:
        low, high = 0, hashes.seek(0, SEEK_END)
        # The line, if it is there, begins at `low` or later, and before `high`.
        while low < high:
            middle = (low + high) // 2
            begin = _begin_of_a_line(hashes, middle)
            found = hashes.readline(MAX_LINE_BYTES)[:HASH_LENGTH].upper()
            if begin >= high or found > sought:
                high = middle
            elif found == sought:
                return True
            else:
                low = hashes.tell()
    return False


def check_list(path: str) -> None:
    """Raises NotALeakList unless the file begins with a hash."""
    try:
        with Path(path).open("rb") as hashes:
            first = hashes.readline(MAX_LINE_BYTES)
    except OSError as error:
        raise NotALeakList(str(error)) from error
    digits, _, _ = first.decode("latin-1").strip().partition(":")
    if len(digits) != HASH_LENGTH or not set(digits.upper()) <= set("0123456789ABCDEF"):
        raise NotALeakList("its first line is not a SHA-1 hash")


def _hash_of(password: str) -> bytes:
    # The form of the list; it protects nothing here.
    digest = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return digest.hexdigest().upper().encode()


def _begin_of_a_line(hashes: IO[bytes], at: int) -> int:
    """Goes to the first line that begins at `at` or later."""
    if at == 0:
        return hashes.seek(0)
    hashes.seek(at - 1)
    hashes.readline()
    return hashes.tell()
