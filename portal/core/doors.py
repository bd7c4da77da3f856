"""Which doors anybody may knock at, and sign-in itself: what is sent there is small, and what it costs has bounds of its own."""

from __future__ import annotations

from typing import Final

_SIGN_IN: Final = ("/sign-in", "/sign-out", "/enrol", "/api/v1/auth/")
_PASSWORDS: Final = frozenset({"/sign-in", "/api/v1/auth/token"})


def is_sign_in(path: str) -> bool:
    """Password, code, token or enrolment."""
    return path.startswith(_SIGN_IN)


def hashes_password(method: str, path: str) -> bool:
    """Whether the answer takes a password to be hashed: most of a second of one processor."""
    return method == "POST" and path in _PASSWORDS
