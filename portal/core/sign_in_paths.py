"""The sign-in paths, which need no session: their bodies are small, and their cost has separate
limits.
"""

from __future__ import annotations

from typing import Final

_SIGN_IN: Final = ("/sign-in", "/sign-out", "/enrol", "/api/v1/auth/")
_PASSWORDS: Final = frozenset({"/sign-in", "/api/v1/auth/token"})


def is_sign_in(path: str) -> bool:
    """True for the paths of password, code, token and enrolment."""
    return path.startswith(_SIGN_IN)


def hashes_password(method: str, path: str) -> bool:
    """Whether the request hashes a password, which takes most of a second of CPU time."""
    return method == "POST" and path in _PASSWORDS
