"""Datagrams in memory: they take time, overtake each other, arrive twice, or are lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Final

FASTEST_S: Final = 0.002
SLOWEST_S: Final = 0.03
LATE_S: Final = 0.8
"""The latest that a datagram overtaken by others arrives."""


class Kind(Enum):
    """What DTLS would carry."""

    HELLO = "the client's handshake"
    WELCOME = "the server's"
    DATA = "one CoAP message"
    BYE = "close_notify"


@dataclass(frozen=True, slots=True)
class Datagram:
    """`session`: the number of the client's session; `message`: the bytes of a CoAP message."""

    kind: Kind
    session: int
    message: bytes = b""


Deliver = Callable[[Datagram], None]


class Network:
    """Its faults are shares of datagrams. Everything is fine until they are raised."""

    def __init__(self, chance: Random, *, log: Callable[[str], None], counts: Counter[str]) -> None:
        self._chance = chance
        self._counts = counts
        self._log = log
        self._loop = asyncio.get_running_loop()
        self.loss = 0.0
        self.repeated = 0.0
        self.late = 0.0

    def send(self, datagram: Datagram, deliver: Deliver, *, context: Context, what: str) -> None:
        """Deliver it in `context`, which is that of the receiving process."""
        copies = 2 if self._chance.random() < self.repeated else 1
        self._counts["datagrams"] += 1
        self._counts["datagrams repeated"] += copies - 1
        for _ in range(copies):
            if self._chance.random() < self.loss:
                self._counts["datagrams lost"] += 1
                self._log(f"{what} {datagram.kind.name} lost")
                continue
            is_late = self._chance.random() < self.late
            self._counts["datagrams late"] += is_late
            delay_s = self._chance.uniform(FASTEST_S, LATE_S if is_late else SLOWEST_S)
            self._loop.call_later(delay_s, deliver, datagram, context=context)
