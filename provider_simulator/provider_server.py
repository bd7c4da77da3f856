"""The simulated provider on a network."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Final

from dots_client import Credentials, MitigationStatus
from dots_client.server import DtlsServer, Rng
from dots_server.server import SignalServer
from provider_simulator.behaviour import Behaviour
from provider_simulator.provider import Provider
from provider_simulator.request_log import RequestLog

FLOOD_EVERY_S: Final = 0.05
FLOOD_OWED_MAX_S: Final = 0.5
"""A server too slow for its flood leaves out what it owes for longer."""


class ProviderServer(SignalServer):
    """Logs requests, loses datagrams, and carries out commands of an operator."""

    def __init__(self, provider: Provider, *, rng: Rng) -> None:
        self.provider = provider
        self.requests = RequestLog()
        self._rng = rng
        self._behaves = asyncio.Event()
        super().__init__(provider, on_answer=self.requests.add)

    async def listen_dtls(self, *, host: str, port: int, credentials: Credentials) -> DtlsServer:
        server = await super().listen_dtls(host=host, port=port, credentials=credentials)
        server.drop_incoming = self._loses
        server.drop_outgoing = self._loses
        return server

    def _loses(self, _datagram: bytes, _address: object) -> bool:
        return self._rng.random() < self.provider.behaviour.loss

    async def flood(self) -> None:
        """Send `floods_per_s` notifications a second until cancelled."""
        owed, at = 0.0, self.now()
        while True:
            pace = self.provider.behaviour.floods_per_s
            if pace == 0:
                self._behaves.clear()
                await self._behaves.wait()
                owed, at = 0.0, self.now()
                continue
            await asyncio.sleep(FLOOD_EVERY_S)
            now = self.now()
            owed, at = min(owed + pace * (now - at), pace * FLOOD_OWED_MAX_S), now
            for notification in islice(self.provider.flips(now=now), int(owed)):
                self._deliver(notification)
                owed -= 1

    # The operator

    def behave(self, behaviour: Behaviour) -> None:
        self.provider.behaviour = behaviour
        self._behaves.set()
        self.touch()

    def set_status(
        self, cuid: str, mid: int, status: MitigationStatus, *, retry_timer_s: int | None = None
    ) -> bool:
        """False if there is no such mitigation."""
        found = self.provider.set_status(
            cuid, mid, status, now=self.now(), retry_timer_s=retry_timer_s
        )
        self.touch()
        return found

    def lose(self, client: str) -> None:
        """Treat the signal of a client as lost at once, not only after minutes of silence."""
        self.provider.lose_signal(client, now=self.now())
        self.touch()

    def forget(self) -> None:
        """Lose the mitigations but keep the sessions."""
        self.provider.forget_mitigations()
        self.touch()

    def crash(self) -> None:
        """Lose all state and sessions without telling any client, as in a power cut."""
        self.provider.forget_everything()
        self.drop_sessions("the provider crashed")
        self.touch()
