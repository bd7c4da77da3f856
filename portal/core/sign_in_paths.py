"""The sign-in paths, which need no session: their bodies are small, and their cost has separate
limits.
"""

from __future__ import annotations

from typing import Final

_SIGN_IN: Final = (
    "/sign-in",
    "/sign-out",
    "/enrol",
    "/invitations/",
    "/api/v1/auth/",
    "/api/v1/invitations/",
)
_PASSWORDS: Final = ("/sign-in", "/api/v1/auth/token", "/api/v1/invitations/accept")
_PASSWORD_PREFIX: Final = "/invitations/"  # noqa: S105 — a path


def is_sign_in(path: str) -> bool:
    """True for the paths of password, code, token and enrolment."""
    return path.startswith(_SIGN_IN)


def hashes_password(method: str, path: str) -> bool:
    """Whether the request hashes a password, which takes most of a second of CPU time."""
    return method == "POST" and (path in _PASSWORDS or path.startswith(_PASSWORD_PREFIX))
