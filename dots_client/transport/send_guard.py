"""A socket that drops everything while its owner may not send.

The one exception is the close_notify that ends a session. A server that does not receive it keeps
the session, considers the client lost and may start preconfigured mitigations (RFC 9132 section
4.4.1.1, `trigger-mitigation`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

MaySend = Callable[[], bool]
"""Called before every datagram and every write. Must be quick and must not raise."""

REFUSED: Final = "this client may not speak any more"


def always() -> bool:
    return True


class SendGuard:
    """The guard of one session: open while `may_send()` is true, and for the close_notify."""

    def __init__(self, may_send: MaySend = always) -> None:
        self.may_send = may_send
        self._is_leaving = False

    @property
    def is_open(self) -> bool:
        return self._is_leaving or self.may_send()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Open for the block, in which the caller sends only the close_notify."""
        self._is_leaving = True
        try:
            yield
        finally:
            self._is_leaving = False


class GuardedSocket(socket.socket):
    """Whatever waits in timers and queues above it is sent through this socket, or not at all.

    asyncio's event loops send through `send` and connect through `connect`. To them a closed guard
    looks like a network error: they drop the datagram, or close the stream and discard its buffer.
    """

    def __init__(self, family: int, kind: int, guard: SendGuard) -> None:
        super().__init__(family, kind)
        self._guard = guard

    def connect(self, address: Any) -> None:
        # Over UDP, connect sends nothing.
        if self.type == socket.SOCK_STREAM:
            self._check()
        super().connect(address)

    def send(self, data: Any, flags: int = 0) -> int:
        self._check()
        return super().send(data, flags)

    def sendto(self, *arguments: Any) -> int:
        self._check()
        return super().sendto(*arguments)

    def sendmsg(self, *arguments: Any) -> int:
        self._check()
        return super().sendmsg(*arguments)

    def _check(self) -> None:
        if not self._guard.is_open:
            raise ConnectionAbortedError(REFUSED)
