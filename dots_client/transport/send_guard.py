"""The last check before the kernel: a socket that sends only while its owner may.

The one exception is the close_notify that ends a session. A server that does not receive it keeps the session, believes
its client lost and may start standby mitigations (RFC 9132 section 4.4.1.1, `trigger-mitigation`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

MaySend = Callable[[], bool]
"""Asked before every datagram and every write; has to be quick and must not raise."""

REFUSED: Final = "this client may not speak any more"


def always() -> bool:
    return True


class SendGuard:
    """The gate of one session: open while `may_send()` is true, and for its close_notify."""

    def __init__(self, may_send: MaySend = always) -> None:
        self.may_send = may_send
        self._is_leaving = False

    @property
    def is_open(self) -> bool:
        return self._is_leaving or self.may_send()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Let everything sent inside pass. The caller sends only its close_notify there."""
        self._is_leaving = True
        try:
            yield
        finally:
            self._is_leaving = False


class GuardedSocket(socket.socket):
    """What waits in timers and queues above it leaves through here, or not at all.

    asyncio's own loops send through `send` and connect through `connect`. For them a closed gate is an error of the
    network: a datagram is dropped, a stream is broken off, with what its buffer holds.
    """

    def __init__(self, family: int, kind: int, guard: SendGuard) -> None:
        super().__init__(family, kind)
        self._guard = guard

    def connect(self, address: Any) -> None:
        # For UDP it says nothing to anybody.
        if self.type == socket.SOCK_STREAM:
            self._look()
        super().connect(address)

    def send(self, data: Any, flags: int = 0) -> int:
        self._look()
        return super().send(data, flags)

    def sendto(self, *arguments: Any) -> int:
        self._look()
        return super().sendto(*arguments)

    def sendmsg(self, *arguments: Any) -> int:
        self._look()
        return super().sendmsg(*arguments)

    def _look(self) -> None:
        if not self._guard.is_open:
            raise ConnectionAbortedError(REFUSED)
