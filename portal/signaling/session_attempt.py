"""An attempt to open a session, and the session that it opens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from portal.signaling.identity import Identity
from portal.signaling.live_session import LiveSession


@dataclass(frozen=True, slots=True, eq=False)
class OpenSession:
    """A session that is up, and the settings it was opened with."""

    live_session: LiveSession
    identity: Identity
    opened_at: datetime
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class SessionAttempt:
    """One race of handshakes, and the session that wins it."""

    identity: Identity
    is_wanted: bool
    "a request waits for a session"
    has_opened: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    "why there is no session"
