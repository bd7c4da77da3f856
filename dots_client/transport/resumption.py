"""Session resumption, without certificates in the handshake (RFC 5077, RFC 8446 section 2.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from dots_client.identity import Credentials
from dots_client.transport.engine import Engine
from dots_client.transport.remote import SocketAddress
from dots_client.transport.tls_contexts import ClientContext

MAX_AGE_S: Final = 86400.0
"""Seconds; a full handshake checks the certificates at least once a day."""
MAX_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class ResumptionKey:
    """A session is offered only to the same server, transport and credentials."""

    transport: str
    "`dtls` or `tls`"
    name: str
    "the server's name, as in its certificate"
    port: int
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Offer:
    """What a handshake offers."""

    context: ClientContext
    "the one that made the session"
    session: SSL.Session | None
    "None: a full handshake"
    since: float
    "loop time of the full handshake that the session comes from"


class ResumptionCache:
    """The last session with each server."""

    def __init__(self) -> None:
        self._kept: dict[ResumptionKey, Offer] = {}
        self._on_offer: set[ResumptionKey] = set()

    def offer(self, key: ResumptionKey, *, now: float) -> Offer | None:
        """The session to offer in the next handshake; None for a full handshake.

        Until a handshake completes, every second one is full: a server may stay silent about a
        session that it cannot read.
        """
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now - kept.since > MAX_AGE_S:
            self.forget(key)
            return None
        self._on_offer ^= {key}
        return kept if key in self._on_offer else None

    def keep(self, key: ResumptionKey, session: Offer) -> None:
        """Save the session of a handshake, unless a saved one comes from a later full handshake."""
        if (kept := self._kept.get(key)) is not None and kept.since > session.since:
            return
        self.forget(key)
        self._kept[key] = session
        while len(self._kept) > MAX_KEPT:
            self.forget(next(iter(self._kept)))

    def forget(self, key: ResumptionKey) -> None:
        """Drop a session that the server refused."""
        self._kept.pop(key, None)
        self._on_offer.discard(key)


class Offers:
    """The offers of the handshakes of one call."""

    def __init__(
        self, context: ClientContext, resumption: ResumptionCache | None, key: ResumptionKey
    ) -> None:
        self._context = context
        self._resumption = resumption
        self._key = key
        self._was_refused = False

    def attempts(self, addresses: Iterable[SocketAddress]) -> Iterator[tuple[SocketAddress, Offer]]:
        """Each address with an offer.

        An address that refuses the offered session comes again, for a full handshake.
        """
        for address in addresses:
            kept = self._kept()
            if kept is not None:
                self._was_refused = False
                yield address, kept
                if not self._was_refused:
                    continue
            yield address, Offer(self._context, None, _now())

    def refused(self) -> None:
        self._was_refused = True
        if self._resumption is not None:
            self._resumption.forget(self._key)

    def keep(self, engine: Engine, offer: Offer, *, made_at: float) -> None:
        """Save the session that resulted from an offer, with the age of its full handshake."""
        if self._resumption is None or engine.session is None:
            return
        since = offer.since if engine.was_resumed else made_at
        self._resumption.keep(self._key, Offer(offer.context, engine.session, since))

    def _kept(self) -> Offer | None:
        return None if self._resumption is None else self._resumption.offer(self._key, now=_now())


def _now() -> float:
    return asyncio.get_running_loop().time()
