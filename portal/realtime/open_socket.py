"""One open socket, as the process-wide reader of the log sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from portal.core.errors import NotSignedIn, PortalError
from portal.organizations.models import Membership
from portal.realtime.access import Credential
from portal.realtime.frames import EncodedEvent
from portal.realtime.outbox import Outbox

CLOSE_NOT_SIGNED_IN: Final = 4401
CLOSE_NOT_A_MEMBER: Final = 4403
CLOSE_TRY_AGAIN: Final = 1013


class OpenSocket:
    """Who reads, and what waits to be sent. The log reader fills it, the socket's task empties
    it.
    """

    def __init__(
        self,
        credential: Credential,
        slug: str,
        membership: Membership,
        after: int,
        *,
        has_brief_numbers: bool = False,
    ) -> None:
        self.credential = credential
        self.slug = slug
        self.user_id: UUID = membership.holder_id
        self.organization_id: UUID = membership.organization_id
        self.acts_until = membership.acting.ends_at if membership.acting else None
        "when staff no longer act for the organization; None for members"
        self.has_brief_numbers = has_brief_numbers
        "consecutive reports of amounts are sent as one `amounts` frame"
        self.outbox = Outbox()
        self.news = asyncio.Event()
        self.sent = after
        "the number of the last event that was sent"
        self.spoke_at = now()
        self.is_reading_table = True
        self.heartbeat = ""
        "the heartbeat to send; empty if none"
        self.is_doubtful = False
        "the access of its person may have ended"
        self.close_code: int | None = None

    def put(self, frames: Iterable[EncodedEvent]) -> None:
        self.outbox.put(frames)
        self.news.set()

    def beat(self, text: str) -> None:
        self.heartbeat = text
        self.news.set()

    def end(self, code: int) -> None:
        """Close with `code` and send nothing more. The first call decides."""
        if self.close_code is None:
            self.close_code = code
        self.news.set()

    @property
    def has_everything(self) -> bool:
        return self.outbox.is_empty and not self.is_reading_table


def close_code(error: PortalError) -> int:
    return CLOSE_NOT_SIGNED_IN if isinstance(error, NotSignedIn) else CLOSE_NOT_A_MEMBER


def now() -> float:
    """Seconds of the event loop's clock."""
    return asyncio.get_running_loop().time()
