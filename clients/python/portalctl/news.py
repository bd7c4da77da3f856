"""When to look at a request again: as soon as the event socket says so, or else after a pause."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from portalctl.errors import RefusedError, UnreachableError
from portalctl.event_socket import EventSocket

CALM_S: Final = 0.2
"""Between an event and the next look: several events come together."""
PAUSES_PER_TRY: Final = 10
"""Pauses without a socket, until the next try to open one."""


class News:
    """The socket is open before the first look, so that no change is missed."""

    def __init__(
        self,
        open_socket: Callable[[], EventSocket],
        interval_s: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._open_socket, self._interval_s, self._sleep = open_socket, interval_s, sleep
        self._socket: EventSocket | None = None
        self._is_offered = True
        self._pauses = 0
        self._open()

    def wait(self, request: str) -> None:
        """Until something may have happened to this request."""
        if self._socket is None:
            self._sleep(self._interval_s)
            self._pauses += 1
            if self._is_offered and self._pauses % PAUSES_PER_TRY == 0:
                self._open()
            return
        try:
            self._socket.wait_for(request)
            self._sleep(CALM_S)
        except UnreachableError:
            self.close()
            self._open()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        try:
            self._socket = self._open_socket()
        except RefusedError:
            self._is_offered = False
        except UnreachableError:
            self._socket = None
