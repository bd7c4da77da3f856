"""What a channel delivers, and how the receiver answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

MAX_ANSWER_CHARS: Final = 500
"""The delivery log keeps this much of a receiver's answer."""


class Severity(StrEnum):
    CRITICAL = "critical"
    """No provider protects the target, or protection ended."""
    WARNING = "warning"
    """A person should act soon."""
    INFO = "info"
    RESOLVED = "resolved"
    """What an earlier message of the same thread reported is over."""


@dataclass(frozen=True, slots=True)
class NoticeMessage:
    """One notice as text, for one receiver."""

    id: UUID
    """The same at every try, so that a receiver can drop what it has."""
    thread: str
    """The same for everything about one request, incident or provider, at most 100 characters; a
    receiver shows one thread for it.
    """
    opens_thread: bool
    closes_thread: bool
    kind: str
    """A `NoticeKind`, such as `request.not_reached`."""
    severity: Severity
    title: str
    """One line of at most 120 characters; names no target and no customer unless wished."""
    text: str
    """Sentences, one per line, at most 2,000 characters."""
    url: str
    """The page to open, absolute."""
    occurred_at: datetime
    event: Mapping[str, object]
    """As the API sends it."""


class Outcome(StrEnum):
    SENT = "sent"
    RETRY = "retry"
    """The receiver is down, slow or busy: the same message is worth another try."""
    REFUSED = "refused"
    """The receiver will never take this message."""
    GONE = "gone"
    """The receiver wants no more messages: the channel is switched off."""


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """How the receiver answered one try."""

    outcome: Outcome
    text: str
    """The receiver's words or the error, at most `MAX_ANSWER_CHARS`, without secrets."""
    retry_after_s: float | None = None
    """How long the receiver asked to wait, in seconds."""
