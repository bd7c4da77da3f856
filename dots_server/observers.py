"""Who wants to hear of what (RFC 7641)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dots_client.server import Content

SEQUENCE_MASK: Final = 2**24 - 1
GAP_WITHOUT_RTT_S: Final = 3.0
"""RFC 9132 section 4.4.2.1: without a round-trip estimate no more than one every 3 seconds."""

Subject = tuple[str, str, int | None]
"""Client, cuid and mid of a mitigation; mid None for all of the cuid."""


@dataclass(slots=True, kw_only=True)
class Observer:
    """One observation of a mitigation, or of all of a client's."""

    session: int
    token: bytes
    subject: Subject | None
    "None: the session's configuration"
    content: Content
    last_sent_at: float
    has_news: bool = False

    def concerns(self, client: str, cuid: str, mid: int) -> bool:
        if self.subject is None:
            return False
        return self.subject[:2] == (client, cuid) and self.subject[2] in (None, mid)

    def due_at(self, *, interval_s: float, rtt_s: float | None) -> float:
        """When the next notification may go: at once when there is news, as far as the RTT allows."""
        gap = GAP_WITHOUT_RTT_S if rtt_s is None else rtt_s
        return self.last_sent_at + (gap if self.has_news else max(gap, interval_s))


class Observers:
    """All observations, by session and token."""

    def __init__(self) -> None:
        self._observers: dict[tuple[int, bytes], Observer] = {}
        self._sequence = 0

    def __iter__(self) -> Iterator[Observer]:
        return iter(tuple(self._observers.values()))

    def __len__(self) -> int:
        return len(self._observers)

    def next_sequence(self) -> int:
        """The Observe value of the next notification: one counter for all, so it always grows."""
        self._sequence = (self._sequence + 1) & SEQUENCE_MASK
        return self._sequence

    def add(self, observer: Observer) -> None:
        self._observers[observer.session, observer.token] = observer

    def remove(self, session: int, token: bytes) -> None:
        self._observers.pop((session, token), None)

    def remove_session(self, session: int) -> None:
        for observer in self:
            if observer.session == session:
                self.remove(session, observer.token)

    def news_of(self, client: str, cuid: str, mid: int) -> None:
        """Something happened to this mitigation."""
        for observer in self:
            if observer.concerns(client, cuid, mid):
                observer.has_news = True
