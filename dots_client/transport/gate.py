"""The last look before the kernel: a socket that sends only while its user may still speak."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

MaySend = Callable[[], bool]
"""Asked before every datagram and every write; has to be quick and must not raise."""

REFUSED: Final = "this client may not speak any more"


def always() -> bool:
    return True


class GatedSocket(socket.socket):
    """What waits in timers and queues above it leaves through here, or not at all.

    asyncio's own loops send through `send` and connect through `connect`. For them a closed gate is an error of the
    network: a datagram is dropped, a stream is broken off, with what its buffer holds.
    """

    def __init__(self, family: int, kind: int, may_send: MaySend) -> None:
        super().__init__(family, kind)
        self._may_send = may_send

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
        if not self._may_send():
            raise ConnectionAbortedError(REFUSED)
