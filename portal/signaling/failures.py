"""Why there is no session, in words."""

from __future__ import annotations

from typing import Final

from dots_client import ConnectCrashed, DotsError, SessionCrashed
from portal.signaling.identity import KeyUnreadable

CRASHED: Final = "The portal failed to keep this connection and tries again. Its log says why."


def is_ours(error: Exception | None) -> bool:
    """The portal failed, not the network or the provider."""
    return not isinstance(error, DotsError) or isinstance(error, ConnectCrashed | SessionCrashed)


def in_words(error: Exception | None) -> str:
    """The reason for pages. A failure of the portal itself shows no details there."""
    if isinstance(error, KeyUnreadable) or not is_ours(error):
        return str(error)
    return CRASHED
