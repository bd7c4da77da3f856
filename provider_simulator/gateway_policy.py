"""What a gateway of a server's domain decides by itself, before anything goes on (RFC 9132 sections 3.4 and 4.4.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import aiocoap

from dots_client import ConflictCause, ConflictInformation, DecodeError, MitigationReport
from dots_client.server import (
    MITIGATE,
    PREFIX,
    ForwardedRequest,
    MitigatePath,
    Rng,
    decode_request,
    encode_reports,
    parse_path,
)
from dots_server.messages import Request, Response, cbor, text
from dots_server.sessions import Session
from dots_server.signal_channel import Provider
from dots_server.targets import Entitlement

FIRST_HOP_LIMIT: Final = 16
"""What a request gets that has none yet (RFC 8768 section 3)."""
MAX_HOP_LIMIT: Final = 255
MAX_NAMES_BYTES: Final = 1024
"""Of the payload that names a loop: a name that finds no room any more is left out."""
MAX_CUIDS: Final = 1024
"""That a gateway knows the owners of."""
PASS_ON: Final = Response(code="")
"""No answer yet: the provider gives it."""


class Gateway(Provider):
    """Where the clients' sessions end: heartbeats and configuration are answered here, the rest is passed on.

    Upstream all clients are one, so it is here that they are kept apart: by what each may protect, and by cuid.
    """

    def __init__(
        self,
        *,
        name: str,
        entitlements: Mapping[str, Entitlement],
        rng: Rng,
        first_hop_limit: int = FIRST_HOP_LIMIT,
        tells_domains: bool = True,
        trusts: Collection[str] = (),
    ) -> None:
        """`trusts`: clients that are gateways themselves, and keep their own clients apart."""
        if not name.isascii() or not name.isprintable() or not name or " " in name:
            raise ValueError(f"a gateway's name must be one word of ASCII, not {name!r}")
        if not 1 <= first_hop_limit <= MAX_HOP_LIMIT:
            raise ValueError(f"the Hop-Limit must be 1 to {MAX_HOP_LIMIT}, not {first_hop_limit}")
        super().__init__(entitlements=entitlements, rng=rng)
        self.name = name
        self._first_hop_limit = first_hop_limit
        self._tells_domains = tells_domains
        self._trusts = frozenset(trusts)
        self._domains = entitlements
        self._owners: dict[str, str] = {}

    def onward(self, request: Request, *, client: str, domain: str) -> ForwardedRequest:
        """The request as it goes to the provider; `domain`: the cdid that follows from who `client` is."""
        path = parse_path(request.path)
        assert isinstance(path, MitigatePath)
        if client in self._trusts and path.cdid is not None:
            domain = path.cdid
        segments = [
            # What a client itself says of its domain is not believed (SS-082).
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
        """With our name before those of the gateways behind us, where the request went round (RFC 8768 section 4)."""
        if response.code != "5.08":
            return response
        names = b" ".join([self.name.encode(), *response.payload.split()])
        if len(names) > MAX_NAMES_BYTES:
            names = names[: MAX_NAMES_BYTES + 1].rpartition(b" ")[0]
        return text("5.08", names.decode(errors="ignore"))

    def _receive_mitigate(
        self, session: Session, request: Request, path: MitigatePath, *, now: float
    ) -> Response | None:
        if self._hops_left(request) == 0:
            return text("5.08", self.name)
        if request.if_match not in ((), (b"",)):
            return text("4.12", "If-Match must be empty")
        return self._refusal(session.client, request, path) or PASS_ON

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
                return text("5.03", "too many clients", max_age=self.behaviour.retry_after_s)
            self._owners[path.cuid] = client
        return None

    def _hops_left(self, request: Request) -> int:
        if request.hop_limit is None:
            return self._first_hop_limit
        return max(0, request.hop_limit - 1)


def _not_yours(method: str) -> Response:
    """As of a mitigation that nobody holds: another client's is nobody's business."""
    if method == "PUT":
        collision = ConflictInformation(cause=ConflictCause.CUID_COLLISION)
        return cbor("4.09", encode_reports([MitigationReport(conflict=collision)]))
    return text("4.04", "no mitigation known") if method == "GET" else Response(code="2.02")
