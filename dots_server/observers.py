"""Observations of mitigations and configurations (RFC 7641)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dots_client.server import Content, MitigatePath

SEQUENCE_MASK: Final = 2**24 - 1
GAP_WITHOUT_RTT_S: Final = 3.0
"""RFC 9132 section 4.4.2.1: without a round-trip estimate no more than one every 3 seconds."""


@dataclass(slots=True, kw_only=True)
class Observer:
    """One observation of a mitigation, of all of a cuid, or of the session's configuration."""

    session: int
    token: bytes
    client: str
    subject: MitigatePath | None
    "None: the session's configuration"
    content: Content
    last_sent_at: float
    has_news: bool = False

    def concerns(self, cuid: str, mid: int) -> bool:
        return (
            self.subject is not None
            and self.subject.cuid == cuid
            and self.subject.mid in (None, mid)
        )

    def due_at(self, *, interval_s: float, rtt_s: float | None) -> float:
        """When the next notification may be sent: with news as soon as the RTT allows."""
        gap = GAP_WITHOUT_RTT_S if rtt_s is None else rtt_s
        return self.last_sent_at + (gap if self.has_news else max(gap, interval_s))


class Observers:
    """All observations, by client, and by session and token within."""

    def __init__(self) -> None:
        self._by_client: dict[str, dict[tuple[int, bytes], Observer]] = {}
        self._clients: dict[int, str] = {}
        "the client of each session that observes"
        self._sequence = 0

    def __len__(self) -> int:
        return sum(map(len, self._by_client.values()))

    def of_client(self, client: str) -> Iterator[Observer]:
        """A copy: observers may be removed while it is read."""
        return iter(tuple(self._by_client.get(client, {}).values()))

    def next_sequence(self) -> int:
        """The Observe value of the next notification: one counter for all, so it always grows."""
        self._sequence = (self._sequence + 1) & SEQUENCE_MASK
        return self._sequence

    def add(self, observer: Observer) -> None:
        """One with the same session and token is replaced."""
        self._clients[observer.session] = observer.client
        own = self._by_client.setdefault(observer.client, {})
        own[observer.session, observer.token] = observer

    def remove(self, session: int, token: bytes) -> None:
        client = self._clients.get(session, "")
        own = self._by_client.get(client, {})
        own.pop((session, token), None)
        if not own:
            self._by_client.pop(client, None)

    def remove_session(self, session: int) -> None:
        for observer in self.of_client(self._clients.get(session, "")):
            if observer.session == session:
                self.remove(session, observer.token)
        self._clients.pop(session, None)

    def mark(self, client: str, cuid: str, mid: int) -> None:
        """This mitigation changed: its observers have news."""
        for observer in self.of_client(client):
            if observer.concerns(cuid, mid):
                observer.has_news = True
