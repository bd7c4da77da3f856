"""DTLS sessions that can be taken up again without a certificate on the way (RFC 5077)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from dots_client.identity import Credentials

MAX_AGE_S: Final = 86400.0
"""Certificates are looked at again at least once a day."""
MAX_KEPT: Final = 16


@dataclass(frozen=True, slots=True)
class ResumptionKey:
    """A session is never offered to another server, nor by anybody else."""

    name: str
    "the server's, as in its certificate"
    port: int
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Resumable:
    """A session can be offered only by the context that made it."""

    context: SSL.Context
    session: SSL.Session


@dataclass(slots=True)
class _Kept:
    resumable: Resumable
    since: float
    "when its full handshake was"
    is_on_offer: bool = False


class Resumption:
    """The last session with each server."""

    def __init__(self) -> None:
        self._kept: dict[ResumptionKey, _Kept] = {}

    def offer(self, key: ResumptionKey, *, now: float) -> Resumable | None:
        """What to begin the next handshake with; None: a full one.

        Every second handshake is a full one until one completes: a server may just be silent about
        a session that it cannot read.
        """
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now - kept.since > MAX_AGE_S:
            del self._kept[key]
            return None
        kept.is_on_offer = not kept.is_on_offer
        return kept.resumable if kept.is_on_offer else None

    def keep(
        self, key: ResumptionKey, resumable: Resumable, *, was_resumed: bool, now: float
    ) -> None:
        """Of a handshake that has just completed."""
        before = self._kept.pop(key, None)
        if was_resumed and before is None:
            return
        since = before.since if was_resumed and before is not None else now
        self._kept[key] = _Kept(resumable, since)
        while len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]

    def forget(self, key: ResumptionKey) -> None:
        """The server did not take it."""
        self._kept.pop(key, None)
