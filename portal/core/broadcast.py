"""The only code that sends through the channel layer.

Readers recover lost messages from the event table.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context, ContextVar
from functools import partial
from typing import Literal, NotRequired, TypedDict
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db import transaction
from redis.exceptions import RedisError

from portal.core.cooldown import Cooldown
from portal.core.metrics import BROADCASTS_LOST_BY

logger = logging.getLogger(__name__)

SEND_TIMEOUT_S = 1.0
SEND_ATTEMPTS = 2
"""The first send after a restart of Redis fails on a stale connection."""
MAX_WAITING = 1000
"""How many messages may wait for a slow Redis. Readers get the others from the event table."""

SIGNAL_WORKERS = "signal-workers"
EVENT_READERS = "event-readers"
"""Every process with open sockets."""


class EventFrame(TypedDict):
    """An event as REST and sockets send it."""

    seq: int
    thinned: NotRequired[int]
    "how many counter reports directly before it were removed"
    at: str
    "ISO 8601, in UTC"
    type: str
    request: str | None
    mitigation: str | None
    data: Mapping[str, object]


class EventMessage(TypedDict):
    """To every process with open sockets of an organization; portal.realtime receives it."""

    type: Literal["event"]
    organization: NotRequired[str]
    "its id; processes of the previous release send none"
    event: EventFrame
    earlier: NotRequired[Sequence[EventFrame]]
    """Those directly before it that were committed with it. A process of the previous release reads
    them from the table, because it finds a gap before `event`.
    """


class ManyEvents(TypedDict):
    """To every process with open sockets, of several organizations; portal.realtime receives it.
    A process passes on what belongs to the sockets of each. One of the previous release reads the
    events from the table a moment later.
    """

    type: Literal["events"]
    messages: Sequence[EventMessage]


class AccessChanged(TypedDict):
    """To every process with open sockets of a person; portal.realtime receives it."""

    type: Literal["access.changed"]
    user: NotRequired[str]
    "the person's id; processes of the previous release send none"


class WakeUp(TypedDict):
    """To all signal workers; portal.signaling.wakeups receives it."""

    type: Literal["wake.up"]
    subscription: str
    mitigation: NotRequired[str]
    "the id of the one that changed; without it, anything of the subscription may have changed"


Message = EventMessage | ManyEvents | AccessChanged | WakeUp

layer_cooldown = Cooldown(pause_s=2.0)
_sender: _Sender | None = None
_own_sender: ContextVar[_Sender | None] = ContextVar("own_sender", default=None)
_last_sender: _Sender | None = None


def organization_group(organization_id: UUID) -> str:
    return f"organization.{organization_id.hex}"


def user_group(user_id: UUID) -> str:
    return f"user.{user_id.hex}"


def broadcast_on_commit(organization_id: UUID, *events: EventFrame) -> None:
    """Send `events`, which have consecutive numbers, to every open page of this organization
    only.
    """
    _send_on_commit(organization_group(organization_id), _event_message(organization_id, events))


def broadcast_many_on_commit(events: Mapping[UUID, Sequence[EventFrame]]) -> None:
    """The same for several organizations with one message: a message costs the sender and Redis
    more than its events.
    """
    if len(events) == 1:
        [(organization_id, own)] = events.items()
        broadcast_on_commit(organization_id, *own)
    elif events:
        messages = [_event_message(organization_id, own) for organization_id, own in events.items()]
        _send_on_commit(EVENT_READERS, ManyEvents(type="events", messages=messages))


def _event_message(organization_id: UUID, events: Sequence[EventFrame]) -> EventMessage:
    message = EventMessage(type="event", organization=str(organization_id), event=events[-1])
    if len(events) > 1:
        message["earlier"] = events[:-1]
    return message


def access_changed_on_commit(user_id: UUID) -> None:
    """Make every open socket of this person check again whether it may stay open."""
    message = AccessChanged(type="access.changed", user=str(user_id))
    _send_on_commit(user_group(user_id), message)


def wake_on_commit(subscription_id: UUID, mitigation_id: UUID | None = None) -> None:
    """Tell the signal worker that owns this subscription to read this mitigation's row, or all rows
    of the subscription.

    A lost wake-up delays that by at most a second: each worker's sweep finds the rows too.
    """
    message = _wake_up(subscription_id)
    if mitigation_id is not None:
        message["mitigation"] = str(mitigation_id)
    _send_on_commit(SIGNAL_WORKERS, message)


def pass_wake_up_on(subscription_id: UUID) -> None:
    """Forward a wake-up that a process of the previous release sent as a task."""
    _send(SIGNAL_WORKERS, _wake_up(subscription_id))


def _wake_up(subscription_id: UUID) -> WakeUp:
    return WakeUp(type="wake.up", subscription=str(subscription_id))


def _send_on_commit(group: str, message: Message) -> None:
    transaction.on_commit(partial(_send, group, message), robust=True)


def broadcast_from(loop: asyncio.AbstractEventLoop | None) -> None:
    """Make this process send from `loop`, which runs in another thread, without waiting for it.

    A new loop per message would need a new connection each time, and delay everything that follows
    the commit.
    """
    global _sender
    _sender = None if loop is None else _Sender(loop)


def broadcast_from_this_loop() -> None:
    """The same from the running loop, but only in the current context, such as that of one
    request.
    """
    global _last_sender
    loop = asyncio.get_running_loop()
    if _last_sender is None or _last_sender.loop is not loop:
        _last_sender = _Sender(loop)
    _own_sender.set(_last_sender)


class _Sender:
    """Sends messages one at a time and in order, so that readers do not see false gaps."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[tuple[str, Message]] = deque()
        "any thread adds to it; only the loop removes a message, once it is sent"
        self._sending: asyncio.Task[None] | None = None

    def send(self, group: str, message: Message) -> None:
        if len(self._waiting) >= MAX_WAITING:
            BROADCASTS_LOST_BY["full"].inc()
            logger.warning(
                "broadcast to %s dropped: %s messages are already waiting", group, MAX_WAITING
            )
            return
        self._waiting.append((group, message))
        self.loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        # At the end of the process, Python closes what still runs after it closed the loop.
        if self._sending is None and self._waiting and not self.loop.is_closed():
            self._sending = self.loop.create_task(self._send_all(), context=Context())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                group, message = self._waiting[0]
                try:
                    await _send_bounded(group, message)
                finally:
                    self._waiting.popleft()
        finally:
            self._sending = None
            self._begin()


def _send(group: str, message: Message) -> None:
    if layer_cooldown.is_active:
        BROADCASTS_LOST_BY["away"].inc()
        return
    sender = _sender or _own_sender.get()
    if sender is None:
        async_to_sync(_send_bounded)(group, message)
    else:
        sender.send(group, message)


async def _send_bounded(group: str, message: Message) -> None:
    layer = get_channel_layer()
    assert layer is not None, "settings always name a channel layer"
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            for attempt in range(1, SEND_ATTEMPTS + 1):
                try:
                    await layer.group_send(group, dict(message))
                except (RedisError, OSError) as error:
                    if attempt == SEND_ATTEMPTS:
                        BROADCASTS_LOST_BY["failed"].inc()
                        logger.warning("broadcast to %s failed: %s", group, error)
                else:
                    return
    except TimeoutError:
        BROADCASTS_LOST_BY["timeout"].inc()
        logger.warning("broadcast to %s timed out after %s s", group, SEND_TIMEOUT_S)
        layer_cooldown.start()
    except ChannelFull:
        BROADCASTS_LOST_BY["full"].inc()
        logger.warning("broadcast to %s dropped: its channel is full", group)
