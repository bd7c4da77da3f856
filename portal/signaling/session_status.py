"""The status of each subscription's session, saved for the pages."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from dots_client import SessionClosed
from portal.mitigations.models import EventType
from portal.mitigations.services import append_event
from portal.mitigations.services.log import lock_log
from portal.providers.models import PendingChange, SessionState, Subscription, Transport
from portal.signaling import database_clock
from portal.signaling.fenced_store import FencedStore

logger = logging.getLogger(__name__)

MAX_DETAIL: Final = 300
RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatus:
    """The known state of one subscription's session."""

    state: SessionState
    transport: str = ""
    detail: str = ""
    opened_at: datetime | None = None
    "of the present session"
    refusal: str = ""
    "the code with which the server refuses heartbeats; empty: it accepts them"
    not_followed: str = ""
    "why the last redirection was ignored, a NotFollowed of the client; empty: none was"
    pending_change: PendingChange | None = None
    "settings that the present session does not use yet"

    def without_text(self) -> SessionStatus:
        """The same facts without text from outside, which a database may refuse."""
        pending = self.pending_change
        return replace(
            self,
            detail="",
            pending_change=None if pending is None else {**pending, "failure": ""},
        )


class SessionStatusWriter:
    """Keeps a subscription's row equal to the reported status, even when a single write fails.

    It writes only the newest status, and who reports does not wait for it.
    """

    def __init__(self, store: FencedStore) -> None:
        self._store = store
        self._reported: SessionStatus | None = None
        self._saved: SessionStatus | None = None
        self._failures = 0
        self._is_refused = False
        self._has_news = asyncio.Event()
        self._is_saved = asyncio.Event()

    def report(self, status: SessionStatus) -> None:
        if status == self._reported:
            return
        self._reported = status
        self._is_saved.clear()
        self._has_news.set()

    async def until_saved(self) -> None:
        """Wait until the row shows the last reported status, or until this worker may no longer write it."""
        await self._is_saved.wait()

    async def run(self) -> None:
        """Run until cancelled, or until another worker has the lease."""
        while True:
            try:
                await self._save_news()
            except SessionClosed:
                self._is_saved.set()
                return
            except Exception:
                # Nothing the database raises may end this loop, or the row would stay untrue.
                self._failures += 1
                logger.exception("a session's status was not saved (%s times)", self._failures)

    async def _save_news(self) -> None:
        if self._failures > 1:
            await asyncio.sleep(min(RETRY_S * 2.0 ** min(self._failures - 2, 16), MAX_RETRY_S))
        if self._reported == self._saved:
            self._has_news.clear()
            await self._has_news.wait()
        reported = self._reported
        assert reported is not None
        try:
            # The database refused it once: a true state matters more than the text beside it.
            await self._save(reported.without_text() if self._is_refused else reported)
        except SessionClosed:
            raise
        except Exception:
            self._is_refused = True
            raise
        self._saved, self._failures, self._is_refused = reported, 0, False
        if self._reported == reported:
            self._is_saved.set()

    async def _save(self, status: SessionStatus) -> None:
        await self._store.run(
            record_session,
            subscription_id=self._store.subscription_id,
            owner=self._store.owner,
            state=status.state,
            transport=status.transport,
            detail=status.detail,
            opened_at=status.opened_at,
            refusal=status.refusal,
            not_followed=status.not_followed,
            pending_change=status.pending_change,
            now=database_clock.now(),
        )


@transaction.atomic
def record_session(
    *,
    subscription_id: UUID,
    owner: str,
    state: SessionState,
    now: datetime,
    transport: str = "",
    detail: str = "",
    opened_at: datetime | None = None,
    refusal: str = "",
    not_followed: str = "",
    pending_change: PendingChange | None = None,
) -> None:
    """Save the session's state if `owner` still holds it, with an event when it goes up or stops being up.

    `opened_at`: when the session that is up was made; None: now.
    """
    held = Subscription.objects.filter(pk=subscription_id, owner=owner)
    organization_id = held.values_list("organization_id", flat=True).first()
    if organization_id is None:
        return
    lock_log(organization_id)
    subscription = held.select_for_update().first()
    if subscription is None:
        return
    previous, since = subscription.session_state, subscription.session_since
    is_up = state == SessionState.UP
    is_news = is_up != (previous == SessionState.UP)
    if is_up:
        since = opened_at or now
    elif is_news or since is None:
        # Connecting and unreachable count as one period: "unreachable since" is its beginning.
        since = now
    columns = ["session_state", "session_transport", "session_detail", "session_refusal"]
    columns += ["redirection_ignored", "pending_change"]
    if is_news or since != subscription.session_since:
        columns += _remember_transports(subscription, state, transport, since)
        subscription.session_since = since
        columns.append("session_since")
        if is_up:
            subscription.last_heard_at = since
            columns.append("last_heard_at")
    subscription.session_state = state
    subscription.session_transport = transport
    subscription.session_detail = detail[:MAX_DETAIL]
    subscription.session_refusal = refusal
    subscription.redirection_ignored = not_followed
    subscription.pending_change = pending_change
    subscription.save(update_fields=columns)
    if is_news or (state == SessionState.DOWN and previous != SessionState.DOWN):
        append_event(
            organization_id=subscription.organization_id,
            type=EventType.SESSION_UP if state == SessionState.UP else EventType.SESSION_DOWN,
            at=now,
            data={
                "subscription": str(subscription.pk),
                "state": state.value,
                "detail": detail[:100],
            },
        )


def _remember_transports(
    subscription: Subscription, state: SessionState, transport: str, now: datetime
) -> list[str]:
    """Note when the transport of the new session, and the one it replaces, last worked; return the changed columns."""
    worked: dict[str, datetime] = {}
    left, heard_at = subscription.session_transport, subscription.last_heard_at
    if left and left != transport and heard_at is not None:
        worked[left] = heard_at
    if state == SessionState.UP:
        worked[transport] = now
    columns = {f"{name}_worked_at": at for name, at in worked.items() if name in Transport.values}
    for name, at in columns.items():
        setattr(subscription, name, at)
    return list(columns)


def record_heard(*, subscription_id: UUID, owner: str, now: datetime) -> None:
    Subscription.objects.filter(pk=subscription_id, owner=owner).update(last_heard_at=now)
