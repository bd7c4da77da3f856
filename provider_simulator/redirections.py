"""Redirections, and the refusal of clients that ignore them (RFC 9132 section 4.6)."""

from __future__ import annotations

import math

from dots_client import RedirectedSignal
from dots_client.server import UINT32, encode_redirect
from dots_server.messages import Response, cbor, text
from provider_simulator.behaviour import Behaviour


class Redirections:
    def __init__(self) -> None:
        self._redirected: dict[str, tuple[str, int, float]] = {}
        "cuid and mid of the request that was redirected, and until when, by client"

    def answer(
        self, where: str, *, client: str, cuid: str, mid: int, now: float, behaviour: Behaviour
    ) -> Response:
        """A redirection to `where`; a repeat of the redirected request gets it again."""
        name, *addresses = where.split()
        *known, until = self._redirected.get(client, ("", 0, now))
        if now >= until:
            ttl_s = behaviour.redirect_ttl_s
            self._redirected[client] = cuid, mid, math.inf if ttl_s == UINT32 else now + ttl_s
        elif behaviour.rejects_redirected and known != [cuid, mid]:
            return text("4.03", f"{client} was redirected to {name}")
        redirect = RedirectedSignal(alt_server=name, alt_server_record=tuple(addresses))
        return cbor("5.03", encode_redirect(redirect), max_age=behaviour.redirect_ttl_s)

    def forget(self) -> None:
        self._redirected.clear()
