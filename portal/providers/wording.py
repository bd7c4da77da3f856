"""Sentences about saved settings that a session does not use yet."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.core.formatting import ago, listed
from portal.providers.models import PendingChange, SessionFault

PARTS: Final = {
    "address": "address",
    "server_name": "server name",
    "transports": "transports",
    "trust_anchors": "trust anchors",
    "certificate": "certificate",
    "cuid": "client identifier",
}
IGNORED: Final = {
    "circle": "back to where it came from",
    "inner-address": "to an address inside a private network or on the portal’s own machine",
}
"""Where a redirection led that the portal did not follow."""
PLURAL: Final = frozenset({"transports", "trust_anchors"})


def old_settings(change: PendingChange) -> str:
    """ "the old address and certificate" """
    return f"the old {listed(PARTS.get(part, part) for part in change.changed)}"


def ignored_redirection(provider: str, why: str) -> str:
    """The redirection that the portal did not follow, and what that means."""
    where = IGNORED.get(why, "to an address the portal does not follow")
    return f"{provider} redirected the portal {where}; the portal did not follow. Tell {provider}."


FAULTS: Final = {
    SessionFault.NO_WORKER: "The part of the portal that talks to providers is not running.",
    SessionFault.CRASHED: (
        "The portal could not keep this connection and is trying again. Its log says why."
    ),
    SessionFault.KEY_UNREADABLE: (
        "The portal cannot decrypt the private key of this subscription: "
        "PORTAL_ENCRYPTION_KEYS lacks the key it was encrypted with"
    ),
}


def no_session_because(fault: str, detail: str) -> str:
    """Why there is no session; `detail` adds the reason unless it is the portal itself."""
    return FAULTS[SessionFault(fault)] if fault else detail


def try_failed_because(change: PendingChange) -> str:
    """Why the last attempt with the new settings failed; empty if it did not."""
    return no_session_because(change.fault or "", change.failure)


def still_connected(change: PendingChange, now: datetime) -> str:
    """Says that the connection still uses the old settings, and why."""
    changed = change.changed
    new = "new ones" if len(changed) > 1 or PLURAL.intersection(changed) else "new one"
    first = f"Still connected with {old_settings(change)}"
    if change.tried_at is None:
        return f"{first}; the portal is trying the {new}."
    tried = ago(change.tried_at, now)
    reason = try_failed_because(change).rstrip(".")
    why = f": {reason}" if reason else ""
    return f"{first}. The {new} did not work {tried}{why}. The portal keeps trying."
