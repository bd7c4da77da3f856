"""The decisions of a server-domain gateway (RFC 9132 sections 3.4 and 4.4.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import aiocoap

from dots_client import ConflictCause, ConflictInformation, DecodeError
from dots_client.server import (
    MITIGATE,
    PREFIX,
    ForwardedRequest,
    MitigatePath,
    decode_request,
    parse_path,
)
from dots_server.messages import Request, Response, conflict, text
from dots_server.policy import Contracts
from dots_server.sessions import Session
from dots_server.signal_endpoint import SignalEndpoint
from dots_server.targets import Entitlement
from dots_server.terms import Terms

FIRST_HOP_LIMIT: Final = 16
"""For requests without one (RFC 8768 section 3)."""
MAX_HOP_LIMIT: Final = 255
MAX_NAMES_BYTES: Final = 1024
"""Bytes of the payload of a 5.08; names that do not fit are left out."""
MAX_CUIDS: Final = 1024
"""Whose owners the gateway remembers."""
FORWARD: Final = Response(code="")
"""Stands for an answer that only the provider can give."""


class Gateway(SignalEndpoint):
    """Answers heartbeats and configuration itself. Requests about mitigations are forwarded.

    The provider sees one client, the gateway, which therefore keeps its own clients apart: by their
    targets and cuids.
    """

    def __init__(
        self,
        *,
        name: str,
        entitlements: Mapping[str, Entitlement],
        first_hop_limit: int = FIRST_HOP_LIMIT,
        tells_domains: bool = True,
        trusts: Collection[str] = (),
    ) -> None:
        """`trusts`: clients that are gateways themselves and keep their own clients apart."""
        if not name.isascii() or not name.isprintable() or not name or " " in name:
            raise ValueError(f"a gateway's name must be one word of ASCII, not {name!r}")
        if not 1 <= first_hop_limit <= MAX_HOP_LIMIT:
            raise ValueError(f"the Hop-Limit must be 1 to {MAX_HOP_LIMIT}, not {first_hop_limit}")
        super().__init__(policy=Contracts(entitlements), terms=Terms())
        self.name = name
        self._first_hop_limit = first_hop_limit
        self._tells_domains = tells_domains
        self._trusts = frozenset(trusts)
        self._domains = entitlements
        self._owners: dict[str, str] = {}

    def forwarded(self, request: Request, *, client: str, domain: str) -> ForwardedRequest:
        """The request as it goes to the provider; `domain`: the cdid of this client."""
        path = parse_path(request.path)
        assert isinstance(path, MitigatePath)
        if client in self._trusts and path.cdid is not None:
            domain = path.cdid
        segments = [
            # A cdid that the client sent itself is ignored (SS-082).
            *([f"cdid={domain}"] if self._tells_domains else []),
            f"cuid={path.cuid}",
            *([] if path.mid is None else [f"mid={path.mid}"]),
        ]
        return ForwardedRequest(
            code=aiocoap.Code[request.method],
            path=(*PREFIX, MITIGATE, *segments),
            payload=request.payload,
            queries=request.queries,
            must_exist=bool(request.if_match),
            observe=request.observe,
            hop_limit=self._hops_left(request),
        )

    def named(self, response: Response) -> Response:
        """A 5.08 with our name before those of the gateways behind us; other answers stay the same
        (RFC 8768 section 4).
        """
        if response.code != "5.08":
            return response
        names = b" ".join([self.name.encode(), *response.payload.split()])
        if len(names) > MAX_NAMES_BYTES:
            names = names[: MAX_NAMES_BYTES + 1].rpartition(b" ")[0]
        return text("5.08", names.decode(errors="ignore"))

    def answer_mitigate(
        self, session: Session, request: Request, path: MitigatePath, *, now: float
    ) -> Response | None:
        if self._hops_left(request) == 0:
            return text("5.08", self.name)
        if request.if_match not in ((), (b"",)):
            return text("4.12", "If-Match must be empty")
        return self._refusal(session.client, request, path) or FORWARD

    def _refusal(self, client: str, request: Request, path: MitigatePath) -> Response | None:
        owner = None if client in self._trusts else self._owners.get(path.cuid)
        if owner not in (client, None):
            return _not_yours(request.method)
        if request.method == "PUT" and not request.if_match:
            try:
                scope = decode_request(request.payload)
            except DecodeError as error:
                return text("4.00", str(error))
            if (outside := self._domains[client].outside(scope.targets)) is not None:
                return text("4.00", f"{outside} is outside the domain of {client}")
            if client in self._trusts:
                return None
            if path.cuid not in self._owners and len(self._owners) >= MAX_CUIDS:
                return text("5.03", "too many clients", max_age=self.terms.retry_after_s)
            self._owners[path.cuid] = client
        return None

    def _hops_left(self, request: Request) -> int:
        if request.hop_limit is None:
            return self._first_hop_limit
        return max(0, request.hop_limit - 1)


def _not_yours(method: str) -> Response:
    """As if there were no such mitigation: a client learns nothing about those of others."""
    if method == "PUT":
        return conflict(ConflictInformation(cause=ConflictCause.CUID_COLLISION))
    return text("4.04", "no mitigation known") if method == "GET" else Response(code="2.02")
