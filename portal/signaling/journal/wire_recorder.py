"""Record the messages of one subscription's sessions in bounded memory: to which request each
belongs, and which copy it is.

Pure: no database and no clock; the time is the record's own.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar
from uuid import UUID, uuid4

from dots_client import WireRecord
from portal.core.metrics import DROPPED_BY_RATE, DROPPED_FULL, RETRANSMISSIONS, WIRE_MESSAGES_OF

MAX_WAITING: Final = 2_000
"""Messages of one subscription that may wait for the database; beyond that the oldest
are dropped.
"""
PER_S: Final = 50.0
BURST: Final = 2_000.0
"""The rate limit of one subscription: this many messages at once, and PER_S in the long run."""
MAX_REMEMBERED: Final = 512
"""Requests whose late answers are still recognized."""
MAX_COPIES: Final = 100
"""Copies that share one line of the journal; then another line begins."""

METHODS: Final = {"0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE"}
EMPTY: Final = "0.00"
_MITIGATE: Final = re.compile(r"/\.well-known/dots/mitigate(?:/[^/]+)*?(?:/mid=(\d{1,10}))?")


@dataclass(frozen=True, slots=True)
class MessageSubject:
    """What a message is about. For a response, that of its request."""

    topic: str = "other"
    mid: int | None = None
    method: str = ""
    path: str = ""


UNKNOWN_SUBJECT: Final = MessageSubject()


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """A message that waits to be saved."""

    record: WireRecord
    subject: MessageSubject
    run: UUID | None = None
    copy: int = 1


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes two requests copies of each other."""

    code: str
    path: str
    options: str
    payload: bytes


@lru_cache(maxsize=MAX_REMEMBERED)
def subject_of(code: str, path: str) -> MessageSubject:
    """The subject of a request with this code and path."""
    method = METHODS.get(code, "")
    if path == "/.well-known/dots/hb":
        return MessageSubject("heartbeat", None, method, path)
    if path.startswith("/.well-known/dots/config"):
        return MessageSubject("session", None, method, path)
    match = _MITIGATE.fullmatch(path)
    if match is None:
        return MessageSubject("other", None, method, path)
    return MessageSubject("mitigation", int(match[1]) if match[1] else None, method, path)


class SharedCapacity:
    """How many messages of all subscriptions of a worker may still wait."""

    def __init__(self, places: int) -> None:
        self.places = places

    def take(self) -> bool:
        if self.places <= 0:
            return False
        self.places -= 1
        return True

    def release(self, places: int) -> None:
        self.places += places


class WireRecorder:
    """`tap` is the sessions' wire tap: called in the event loop, fast, and it never raises."""

    def __init__(self, room: SharedCapacity) -> None:
        self.waiting: deque[RecordedMessage] = deque()
        self.keeps_heartbeats = False
        "true while there is a mitigation for which they could be evidence"
        self.not_kept = 0
        self.not_kept_at = 0.0
        self._room = room
        self._allowance = BURST
        self._seen_at = 0.0
        self._runs: OrderedDict[RequestKey, tuple[UUID, int]] = OrderedDict()
        self._tokens: OrderedDict[tuple[int, str, str], RequestKey] = OrderedDict()
        self._message_ids: OrderedDict[tuple[int, int, str], MessageSubject] = OrderedDict()

    def tap(self, record: WireRecord) -> None:
        noted = self._note(record)
        WIRE_MESSAGES_OF[record.direction, noted.subject.topic].inc()
        if noted.copy > 1:
            RETRANSMISSIONS.inc()
        if noted.subject.topic == "heartbeat" and not self.keeps_heartbeats:
            return
        if not self._may_keep(record.at):
            self.count_lost(record.at)
            DROPPED_BY_RATE.inc()
            return
        if len(self.waiting) >= MAX_WAITING or not self._room.take():
            # Drop the oldest of this subscription, or this message if there is none.
            self.count_lost(record.at)
            DROPPED_FULL.inc()
            if not self.waiting:
                return
            self.waiting.popleft()
        self.waiting.append(noted)

    def count_lost(self, at: float, count: int = 1) -> None:
        """Note at `at` that `count` messages before it are missing."""
        self.not_kept += count
        self.not_kept_at = max(at, self.not_kept_at)

    def _may_keep(self, at: float) -> bool:
        """The rate limit: a peer that sends without pause must not fill the database."""
        self._allowance = min(BURST, self._allowance + PER_S * max(0.0, at - self._seen_at))
        self._seen_at = at
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _note(self, record: WireRecord) -> RecordedMessage:
        if record.code in METHODS:
            noted = self._note_request(record)
        else:
            noted = RecordedMessage(record, self._subject(record))
        # Acknowledgements and resets carry the number of the message they answer.
        if record.message_id is not None and record.kind in ("CON", "NON"):
            place = (record.session, record.message_id, record.direction)
            _remember(self._message_ids, place, noted.subject)
        return noted

    def _note_request(self, record: WireRecord) -> RecordedMessage:
        subject = subject_of(record.code, record.path)
        request = RequestKey(record.code, record.path, record.options, record.payload)
        _remember(self._tokens, (record.session, record.token, record.direction), request)
        if record.direction != "sent" or subject.topic == "heartbeat":
            return RecordedMessage(record, subject)
        run, copies = self._runs.get(request, (uuid4(), 0))
        if copies >= MAX_COPIES:
            run, copies = uuid4(), 0
        _remember(self._runs, request, (run, copies + 1))
        return RecordedMessage(record, subject, run, copies + 1)

    def _subject(self, record: WireRecord) -> MessageSubject:
        asker = "received" if record.direction == "sent" else "sent"
        if record.code == EMPTY:
            # An acknowledgement or reset carries the number of a message from the other side.
            place = (record.session, record.message_id or 0, asker)
            return self._message_ids.get(place, UNKNOWN_SUBJECT)
        request = self._tokens.get((record.session, record.token, asker))
        if request is not None and asker == "sent":
            # Answered: the same request from now on is a new one, not a copy.
            self._runs.pop(request, None)
        if record.answers is not None:
            return subject_of(record.answers.code, record.answers.path)
        return UNKNOWN_SUBJECT if request is None else subject_of(request.code, request.path)


K = TypeVar("K")
V = TypeVar("V")


def _remember(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)
