"""Why there is no session, in words for pages."""

from __future__ import annotations

from typing import Final

from dots_client import ConnectCrashed, DotsError, SessionCrashed
from portal.signaling.connection_settings import KeyUnreadable

CRASHED: Final = "The portal could not keep this connection and is trying again. Its log says why."


def is_our_failure(error: Exception | None) -> bool:
    """Whether the portal failed, not the network or the provider."""
    return not isinstance(error, DotsError) or isinstance(error, ConnectCrashed | SessionCrashed)


def failure_text(error: Exception | None) -> str:
    """The reason. A failure of the portal itself shows no details on pages."""
    if isinstance(error, KeyUnreadable) or not is_our_failure(error):
        return str(error)
    return CRASHED
