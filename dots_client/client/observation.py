"""Observe one mitigation (RFC 7641), and poll a server that sends no notifications."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Final

from aiocoap import Code

from dots_client.client.request_layer import Outcome, Request, RequestLayer
from dots_client.client.responses import raise_for, reported_status
from dots_client.client.settings import ClientSettings
from dots_client.codec import Content
from dots_client.errors import DotsError, SessionClosed
from dots_client.model import MitigationReport
from dots_client.rng import Rng
from dots_client.session import NotificationOrder, Retransmission

MAX_WAITING_REPORTS: Final = 32
"""Reports that wait for the reader. A slow reader misses the oldest."""

REGISTER: Final = 0
DEREGISTER: Final = 1


class Observation(AsyncIterator[MitigationReport]):
    """Iterates over the reports on one mitigation; raises the error that ends the observation."""

    def __init__(
        self,
        requests: RequestLayer,
        *,
        path: tuple[str, ...],
        mid: int,
        rng: Rng,
        settings: ClientSettings,
    ) -> None:
        self._requests = requests
        self._mid = mid
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        # Fetches the further blocks of a notification.
        self._whole = Request(code=Code.GET, path=path)
        # Without the targets, which are known, the answer is small (RFC 9132 section 4.4.2).
        self._poll_request = Request(
            code=Code.GET, path=path, queries=(f"c={Content.STATUS.value}",)
        )
        # Deregistration needs the token of the registration, and a repeated registration replaces
        # the one before.
        token = requests.link.endpoint.tokens.next_token()
        self._registration = Request(code=Code.GET, path=path, token=token, observe=REGISTER)
        self._departure = Request(code=Code.GET, path=path, token=token, observe=DEREGISTER)
        self._registering = Retransmission(
            now=self._loop.time(), rng=rng, settings=settings.retransmission
        )
        self._order = NotificationOrder()
        self._slot: float | None = None
        "when the registration may be repeated"
        self._is_registered = False
        self._has_been_notified = False
        self._waiting: deque[tuple[Request, Outcome]] = deque(maxlen=MAX_WAITING_REPORTS)
        self._arrived = asyncio.Event()
        self._news_at = self._loop.time()
        self._end: DotsError | None = None
        self._stop_listening: Callable[[], None] = _nothing
        self._stop_poll: Callable[[], None] = _nothing
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._register()
        self._arm()

    def leave(self) -> None:
        """Deregister once. If that is lost, the next notification gets a Reset."""
        self._disarm()
        self._stop_poll()
        self._stop_listening()
        if self._requests.link.closed.done():
            return
        self._requests.transmit(self._departure, lambda _outcome: None)()

    async def __anext__(self) -> MitigationReport:
        while True:
            if self._end is not None:
                raise self._end
            if self._waiting:
                return await self._report(*self._waiting.popleft())
            self._arrived.clear()
            await self._arrived.wait()

    async def _report(self, request: Request, outcome: Outcome) -> MitigationReport:
        try:
            if isinstance(outcome, DotsError):
                raise outcome
            response = await self._requests.fetch_blocks(request, outcome)
            raise_for(response)
            return reported_status(response, self._mid)
        except DotsError as error:
            self._end = error
            raise

    def _arm(self) -> None:
        """Set the timer, unless it is set. A report makes it due later: it then fires too early,
        which costs less than setting it again for each report.
        """
        if self._timer is None and self._end is None and (due_at := self._due_at()) is not None:
            self._timer = self._loop.call_at(due_at, self._handle_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _handle_timer(self) -> None:
        self._timer = None
        due_at = self._due_at()
        try:
            if due_at is not None and self._loop.time() >= due_at:
                self._act()
        except DotsError as error:
            self._queue(self._whole, error)
        finally:
            self._arm()

    def _act(self) -> None:
        if self._is_registered:
            self._poll()
        elif self._slot is not None:
            self._register(has_slot=True)
        else:
            self._slot = self._requests.slot_for_repeat()

    def _due_at(self) -> float | None:
        if not self._is_registered:
            if self._requests.link.is_reliable:
                return None
            return self._slot or self._registering.next_timer()
        patience_s = (
            self._settings.poll_interval_s
            if self._has_been_notified
            else self._settings.eager_poll_interval_s
        )
        return self._news_at + patience_s

    def _register(self, *, has_slot: bool = False) -> None:
        self._slot = None
        self._stop_listening()
        self._stop_listening = self._requests.transmit(
            self._registration, self._receive, has_slot=has_slot
        )
        self._registering.sent(now=self._loop.time(), rtt_s=self._requests.rtt.rtt_s)

    def _poll(self) -> None:
        self._news_at = self._loop.time()
        self._stop_poll()
        self._stop_poll = self._requests.transmit(
            self._poll_request, partial(self._queue, self._poll_request)
        )

    def _receive(self, outcome: Outcome) -> None:
        now = self._loop.time()
        if not isinstance(outcome, DotsError):
            if not self._order.is_news(outcome.opt.observe, now=now):
                return
            # Some servers omit the option in the first answer but send notifications.
            self._has_been_notified |= self._is_registered or outcome.opt.observe is not None
        if not self._is_registered:
            # The first poll may be due before the registration would have been repeated.
            self._disarm()
        self._is_registered = True
        self._queue(self._whole, outcome)
        self._arm()

    def _queue(self, request: Request, outcome: Outcome) -> None:
        self._news_at = self._loop.time()
        if isinstance(outcome, SessionClosed) and any(
            isinstance(waiting, SessionClosed) for _, waiting in self._waiting
        ):
            return
        self._waiting.append((request, outcome))
        self._arrived.set()


def _nothing() -> None:
    """Nothing to stop yet."""
