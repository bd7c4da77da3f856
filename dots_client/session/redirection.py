"""Redirections: to which server, and until when (RFC 9132 section 4.6)."""

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
"""Seconds; a redirection to a server that we contacted so recently is a loop."""
MAX_REMEMBERED_SERVERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternate:
    """The server to use instead of the provisioned one."""

    name: str
    "to authenticate"
    addresses: tuple[str, ...] = ()
    "used instead of DNS; empty: ask DNS"


class NotFollowed(StrEnum):
    """Why a redirection is ignored."""

    LOOP = "circle"
    "back to a server that we contacted just before"
    INNER_ADDRESS = "inner-address"
    "to addresses that only this machine or its network can reach"


class Redirections:
    """The redirections of one client from one provisioned server."""

    def __init__(self) -> None:
        self._contacted_at: dict[str, float] = {}
        self._refused_at: dict[str, float] = {}
        self._alternate: Alternate | None = None
        self._until = 0.0

    def contacted(self, name: str, *, now: float) -> None:
        """A session with `name` began, continues or failed.

        A redirection back to it would be a loop.
        """
        _remember(self._contacted_at, name, now=now)

    def redirected(
        self,
        redirect: RedirectedSignal,
        *,
        ttl_s: int,
        now: float,
        provisioned_kinds: Collection[AddressKind] = (),
    ) -> NotFollowed | None:
        """Follow a redirection for `ttl_s` seconds. Returns None, or why it is ignored.

        `provisioned_kinds` are the kinds of addresses that the provisioned server has. Of other
        kinds only public addresses are used: a server must not choose hosts in our own network for
        us to contact. Without addresses in the redirection, DNS is asked later; a name whose
        addresses were refused is ignored for LOOP_WINDOW_S.
        """
        key = _key(redirect.alt_server)
        if now - self._contacted_at.get(key, -math.inf) < LOOP_WINDOW_S:
            return NotFollowed.LOOP
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
        """Whether a redirection is in force."""
        return self._alternate is not None

    def alternate(self, *, now: float, is_under_attack: bool) -> Alternate | None:
        """The server to use; None for the provisioned one.

        During an attack a redirection stays in force after its time, even one of 0 seconds, which
        is meant for a single request.
        """
        if self._alternate is not None and now >= self._until and not is_under_attack:
            self._alternate = None
        return self._alternate

    def expires_at(self) -> float | None:
        """When the redirection expires, unless an attack is active; None if it does not."""
        return None if self._alternate is None or self._until == math.inf else self._until

    def failed(self, name: str, *, now: float) -> None:
        """No session with `name` could be opened.

        If it is the alternate, return to the provisioned server.
        """
        self.contacted(name, now=now)
        self._give_up(name)

    def refused(self, name: str, *, now: float) -> None:
        """DNS has only addresses for `name` that may not be used.

        Return to the provisioned server.
        """
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
