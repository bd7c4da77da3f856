"""Saved settings that a session does not use yet, in words."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from portal.core.formatting import ago, listed
from portal.providers.models import PendingChange

PARTS: Final = {
    "address": "address",
    "server_name": "server name",
    "transports": "transports",
    "trust_anchors": "trust anchors",
    "certificate": "certificate",
    "cuid": "client identifier",
}
IGNORED: Final = {
    "circle": "to where it had come from",
    "inner-address": "to an address inside a private network or on the portal’s own machine",
}
"""Where a redirection led that the portal did not follow."""
PLURAL: Final = frozenset({"transports", "trust_anchors"})


def old_settings(change: PendingChange) -> str:
    """ "the old address and certificate" """
    return f"the old {listed(PARTS.get(part, part) for part in change['changed'])}"


def ignored_redirection(provider: str, why: str) -> str:
    """That it sent the portal somewhere the portal does not go, and what that means."""
    where = IGNORED.get(why, "to where the portal does not go")
    return f"{provider} sent the portal {where}; the portal stayed. Tell {provider}."


def still_connected(change: PendingChange, now: datetime) -> str:
    """Says that the connection still uses the old settings, and why."""
    changed = change["changed"]
    new = "new ones" if len(changed) > 1 or PLURAL.intersection(changed) else "new one"
    first = f"Still connected with {old_settings(change)}"
    if change["tried_at"] is None:
        return f"{first}; the portal is trying the {new}."
    tried = ago(datetime.fromisoformat(change["tried_at"]), now)
    why = f": {change['failure'].rstrip('.')}" if change["failure"] else ""
    return f"{first}. The {new} did not work {tried}{why}. The portal keeps trying."
