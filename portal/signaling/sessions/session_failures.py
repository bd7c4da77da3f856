"""Why there is no session."""

from __future__ import annotations

from dots_client import ConnectCrashed, DotsError, SessionCrashed
from portal.core.errors import SecretUnreadable
from portal.providers.models import SessionFault


def is_our_failure(error: Exception | None) -> bool:
    """Whether the portal failed, not the network or the provider."""
    return not isinstance(error, DotsError) or isinstance(error, ConnectCrashed | SessionCrashed)


def fault_of(error: Exception | None) -> SessionFault | None:
    """None: the network or the provider is the reason."""
    if isinstance(error, SecretUnreadable):
        return SessionFault.KEY_UNREADABLE
    return SessionFault.CRASHED if is_our_failure(error) else None


def failure_text(error: Exception | None) -> str:
    """The reason in the client library's words; empty for a failure of the portal itself."""
    return "" if is_our_failure(error) else str(error)
