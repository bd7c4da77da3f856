"""Why there is no session, in words."""

from __future__ import annotations

from typing import Final

from dots_client import ConnectCrashed, DotsError, SessionCrashed
from portal.signaling.connection_settings import KeyUnreadable

CRASHED: Final = "The portal failed to keep this connection and tries again. Its log says why."


def is_our_failure(error: Exception | None) -> bool:
    """The portal failed, not the network or the provider."""
    return not isinstance(error, DotsError) or isinstance(error, ConnectCrashed | SessionCrashed)


def failure_text(error: Exception | None) -> str:
    """The reason for pages. A failure of the portal itself shows no details there."""
    if isinstance(error, KeyUnreadable) or not is_our_failure(error):
        return str(error)
    return CRASHED
