"""How often each request was sent, and when the provider was last heard: counted in memory, saved
once in a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from dots_client import Refused, ServerUnavailable, UnexpectedAnswer
from portal.mitigations import services
from portal.mitigations.models import Mitigation
from portal.signaling.async_events import loop_time
from portal.signaling.leasing import database_clock
from portal.signaling.store.fenced_store import FencedStore

HEARD_EVERY_S: Final = 4.0
"""Save the time at which the provider was last heard at most this often."""


@dataclass(slots=True)
class RequestProgress:
    """What is known about one request on the wire, whether it succeeds or fails."""

    datagrams: int = 0
    "sent with the request"
    is_answered: bool = False
    is_sent_saved: bool = False
    "the event that it was sent is saved, or being saved"


class SessionActivity:
    """For one subscription, across its sessions."""

    def __init__(self, store: FencedStore) -> None:
        self._store = store
        self._datagrams: Counter[UUID] = Counter()
        self._heard_noted_at = float("-inf")

    @contextmanager
    def tracking(
        self, row: Mitigation, progress: RequestProgress
    ) -> Iterator[Callable[[int], None]]:
        """Track one request in `progress`.

        Pass the returned function to the client as `on_sent`.
        """
        progress.datagrams, progress.is_answered, progress.is_sent_saved = 0, False, False

        def on_sent(_count: int) -> None:
            progress.datagrams += 1
            self._datagrams[row.pk] += 1

        try:
            yield on_sent
        except (Refused, ServerUnavailable, UnexpectedAnswer):
            progress.is_answered = True
            raise
        progress.is_answered = True

    def take_sends(self, mitigation_id: UUID) -> int:
        """The number of datagrams sent since it was last saved; the caller saves it."""
        return self._datagrams.pop(mitigation_id, 0)

    def give_back(self, mitigation_id: UUID, sends: int) -> None:
        """They were not saved."""
        self._datagrams[mitigation_id] += sends

    async def save(self, *, heard_s: float) -> None:
        """Save the number of datagrams sent since the last call, and note for the next save of the
        worker that the provider was heard `heard_s` ago.
        """
        sent, self._datagrams = self._datagrams, Counter()
        if sent:
            locked = await self._store.write(
                services.record_sends, sends=sent, now=database_clock.now()
            )
            self._datagrams.update({one: sent[one] for one in locked})
        heard_at = loop_time() - heard_s
        if heard_at > self._heard_noted_at + HEARD_EVERY_S:
            self._heard_noted_at = heard_at
            self._store.note_heard(database_clock.now() - timedelta(seconds=heard_s))
