"""The paths of passwords and codes: their bodies are small, and their cost has separate limits."""

from __future__ import annotations

from typing import Final

_SIGN_IN: Final = (
    "/sign-in",
    "/sign-out",
    "/enrol",
    "/invitations/",
    "/staff-invitations/",
    "/forgot-password",
    "/new-password/",
    "/confirm",
    "/me/password",
    "/api/v1/me/password",
    "/api/v1/auth/",
    "/api/v1/invitations/",
    "/api/v1/staff/invitations/accept",
)
_PASSWORDS: Final = (
    "/sign-in",
    "/me/password",
    "/api/v1/me/password",
    "/confirm",
    "/api/v1/invitations/accept",
    "/api/v1/staff/invitations/accept",
)
_PASSWORD_PREFIXES: Final = (
    "/invitations/",
    "/staff-invitations/",
    "/new-password/",
    "/me/",
    "/api/v1/auth/",
)


def is_sign_in(path: str) -> bool:
    """True for the paths of password, code, token and enrolment."""
    return path.startswith(_SIGN_IN)


def hashes_password(method: str, path: str) -> bool:
    """Whether the request hashes a password, which takes most of a second of CPU time."""
    return method == "POST" and (path in _PASSWORDS or path.startswith(_PASSWORD_PREFIXES))
