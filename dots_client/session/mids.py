"""Mitigation identifiers of one client at one server (RFC 9132 section 4.4.1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dots_client.codec.keys import UINT32
from dots_client.errors import LocalProtocolError

FIRST_MID: Final = 1
ROLL_OVER_AT: Final = 3221225471
"""3/4 of 2^32 - 1: above it, start again at 0 while no attack is active (RFC 9132 section
4.4.1.1)."""
FOLLOWED_UP_TO: Final = 2**31 - 1
"""The highest server-reported mid that advances the counter. Whatever a server reports, about a
billion mids are left before the roll-over."""


class MidAllocator:
    """Hands out ascending mids. The caller saves `next_mid` across restarts."""

    def __init__(self, next_mid: int = FIRST_MID) -> None:
        self.next_mid = next_mid

    def allocate(self) -> int:
        """The next mid, 0-4294967295. Raises LocalProtocolError after the last."""
        if self.next_mid > UINT32:
            raise LocalProtocolError("all mids are used up: roll over while no attack is active")
        mid = self.next_mid
        self.next_mid += 1
        return mid

    def found_in_use(self, mids: Iterable[int]) -> None:
        """Continue above the mids that the server holds, after the counter was lost.

        Mids above FOLLOWED_UP_TO are ignored: no client that counts from 1 reaches them.
        """
        followed = (mid + 1 for mid in mids if mid <= FOLLOWED_UP_TO)
        self.next_mid = max((self.next_mid, *followed))

    @property
    def should_roll_over(self) -> bool:
        """Whether 3/4 of the mids are used: call `roll_over` when no attack is active."""
        return self.next_mid > ROLL_OVER_AT

    def roll_over(
        self, *, is_under_attack: bool, preconfigured: Iterable[int] = ()
    ) -> dict[int, int]:
        """Start again at 0.

        Returns the new mid of each of the `preconfigured` requests, by its old mid.

        The caller withdraws each under its old mid before it requests the new one: the server
        refuses a lower mid that overlaps a higher one. Raises LocalProtocolError while an attack is
        active.
        """
        if is_under_attack:
            raise LocalProtocolError("mids must not roll over while an attack is active")
        self.next_mid = 0
        return {mid: self.allocate() for mid in sorted(preconfigured)}
