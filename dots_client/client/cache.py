"""What a client remembers from one session with a provider to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from dots_client.client.settings import Server
from dots_client.session import AddressKind, ConnectionHistory, NotFollowed, Redirections
from dots_client.transport.resumption import ResumptionCache

MAX_HISTORIES: Final = 16

OnNotFollowed = Callable[[NotFollowed], None]


class ClientCache:
    """Of one provisioned server. Given to every `connect()` with it, it saves time and keeps promises."""

    def __init__(self, *, on_not_followed: OnNotFollowed | None = None) -> None:
        self.on_not_followed = on_not_followed
        "told when a redirection is ignored, and why"
        self.provisioned_kinds: frozenset[AddressKind] = frozenset()
        "at what kinds of addresses the provisioned server is"
        self.redirections = Redirections()
        self.resumption = ResumptionCache()
        self._histories: dict[str, ConnectionHistory] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}

    @property
    def is_redirected(self) -> bool:
        """Whether the next session will be with another server than the provisioned one."""
        return self.redirections.is_redirected

    def target(self, server: Server, *, now: float, is_under_attack: bool) -> Server:
        """Whom to connect to: `server`, or where it has sent us."""
        alternate = self.redirections.alternate(now=now, is_under_attack=is_under_attack)
        if alternate is None:
            return server
        return replace(
            server, name=alternate.name, host=alternate.name, addresses=alternate.addresses
        )

    def history(self, server: Server) -> ConnectionHistory:
        """How `server` was reached last."""
        history = self._histories.pop(server.name, None) or ConnectionHistory()
        self._histories[server.name] = history
        while len(self._histories) > MAX_HISTORIES:
            forgotten = next(iter(self._histories))
            del self._histories[forgotten]
            self._addresses.pop(forgotten, None)
        return history

    def resolved(self, server: Server, addresses: tuple[str, ...]) -> None:
        """DNS may be the first victim of an attack: what it said last is kept."""
        self._addresses[server.name] = addresses

    def addresses(self, server: Server) -> tuple[str, ...]:
        """What DNS said last; empty when it never said anything."""
        return self._addresses.get(server.name, ())
