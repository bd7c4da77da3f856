"""Where a server has sent us, and until when (RFC 9132 section 4.6)."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dots_client.codec.keys import UINT32
from dots_client.model import RedirectedSignal
from dots_client.session.address_kinds import AddressKind, allowed_alternates

LOOP_WINDOW_S: Final = 300.0
"""A server talked to so recently is not followed to again."""
MAX_REMEMBERED_SERVERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternate:
    """The server to use instead of the provisioned one."""

    name: str
    "to authenticate"
    addresses: tuple[str, ...] = ()
    "to be used without DNS; empty: ask it"


class NotFollowed(StrEnum):
    """Why a redirection is ignored."""

    CIRCLE = "circle"
    "back to a server that we have just talked to"
    INNER_ADDRESS = "inner-address"
    "to addresses that only this machine or its network reaches"


class Redirections:
    """The decisions of one client about one provisioned server."""

    def __init__(self) -> None:
        self._contacted_at: dict[str, float] = {}
        self._refused_at: dict[str, float] = {}
        self._alternate: Alternate | None = None
        self._until = 0.0

    def contacted(self, name: str, *, now: float) -> None:
        """A session with `name` begins, goes on, or failed: all of that makes a way back a loop."""
        _remember(self._contacted_at, name, now=now)

    def redirected(
        self,
        redirect: RedirectedSignal,
        *,
        ttl_s: int,
        now: float,
        provisioned_kinds: Collection[AddressKind] = (),
    ) -> NotFollowed | None:
        """Why not to follow; None: follow. What is not followed leaves the request unavailable.

        `provisioned_kinds`: the kinds of places where the provisioned server is. Elsewhere only public addresses are used, for a server may not
        choose which doors of our own network we knock at. Addresses that DNS has for the name are looked at when it is asked; if they are
        refused, it is not asked again for LOOP_WINDOW_S.
        """
        key = _key(redirect.alt_server)
        if now - self._contacted_at.get(key, -math.inf) < LOOP_WINDOW_S:
            return NotFollowed.CIRCLE
        addresses = allowed_alternates(
            redirect.alt_server_record, provisioned_kinds=provisioned_kinds
        )
        if redirect.alt_server_record and not addresses:
            return NotFollowed.INNER_ADDRESS
        if not addresses and now - self._refused_at.get(key, -math.inf) < LOOP_WINDOW_S:
            return NotFollowed.INNER_ADDRESS
        self._alternate = Alternate(name=redirect.alt_server, addresses=addresses)
        self._until = math.inf if ttl_s >= UINT32 else now + ttl_s
        return None

    @property
    def is_redirected(self) -> bool:
        """Whether the last word of a server was to go elsewhere."""
        return self._alternate is not None

    def alternate(self, *, now: float, is_under_attack: bool) -> Alternate | None:
        """Whom to talk to; None is the provisioned server.

        An attack keeps us where we are after the time is over, also after a time of 0, which is
        the redirection of a single request.
        """
        if self._alternate is not None and now >= self._until and not is_under_attack:
            self._alternate = None
        return self._alternate

    def expires_at(self) -> float | None:
        """When to go back, unless an attack is active; None: not by time."""
        return None if self._alternate is None or self._until == math.inf else self._until

    def failed(self, name: str, *, now: float) -> None:
        """There is no session with `name`: back to the provisioned server, if it was the alternate."""
        self.contacted(name, now=now)
        self._give_up(name)

    def refused(self, name: str, *, now: float) -> None:
        """DNS puts `name` at addresses that may not be used: back to the provisioned server. We never talked to it."""
        _remember(self._refused_at, name, now=now)
        self._give_up(name)

    def _give_up(self, name: str) -> None:
        if self._alternate is not None and self._alternate.name == name:
            self._alternate = None


def _key(name: str) -> str:
    return name.lower().rstrip(".")


def _remember(when: dict[str, float], name: str, *, now: float) -> None:
    key = _key(name)
    when.pop(key, None)
    when[key] = now
    while len(when) > MAX_REMEMBERED_SERVERS:
        del when[next(iter(when))]
