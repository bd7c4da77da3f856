"""What a client saves from one session with a server for the next."""

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
    """The cache of one provisioned server. Pass the same one to every `connect()` to that server.

    It holds the redirection in force, how the server was reached, its addresses, and the (D)TLS
    session to resume.
    """

    def __init__(self, *, on_not_followed: OnNotFollowed | None = None) -> None:
        self.on_not_followed = on_not_followed
        "called with the reason when a redirection is ignored"
        self.provisioned_kinds: frozenset[AddressKind] = frozenset()
        "the kinds of addresses that the provisioned server has"
        self.redirections = Redirections()
        self.resumption = ResumptionCache()
        self._histories: dict[str, ConnectionHistory] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}

    @property
    def is_redirected(self) -> bool:
        """Whether the next session will be with another server than the provisioned one."""
        return self.redirections.is_redirected

    def target(self, server: Server, *, now: float, is_under_attack: bool) -> Server:
        """The server to connect to: `server`, or the alternate that it redirected us to."""
        alternate = self.redirections.alternate(now=now, is_under_attack=is_under_attack)
        if alternate is None:
            return server
        return replace(
            server, name=alternate.name, host=alternate.name, addresses=alternate.addresses
        )

    def history(self, server: Server) -> ConnectionHistory:
        """How `server` was reached before."""
        history = self._histories.pop(server.name, None) or ConnectionHistory()
        self._histories[server.name] = history
        while len(self._histories) > MAX_HISTORIES:
            forgotten = next(iter(self._histories))
            del self._histories[forgotten]
            self._addresses.pop(forgotten, None)
        return history

    def resolved(self, server: Server, addresses: tuple[str, ...]) -> None:
        """Save the answer of DNS: an attack may take DNS down first."""
        self._addresses[server.name] = addresses

    def addresses(self, server: Server) -> tuple[str, ...]:
        """The last answer of DNS; empty if there was none."""
        return self._addresses.get(server.name, ())
