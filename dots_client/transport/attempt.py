"""One attempt to open a session."""

from __future__ import annotations

from dataclasses import dataclass

from dots_client.identity import Credentials
from dots_client.transport.association import DEFAULT_PATH_MTU
from dots_client.transport.coap import Site
from dots_client.transport.resumption import Offers, ResumptionCache, ResumptionKey
from dots_client.transport.send_guard import MaySend, always
from dots_client.transport.tls_contexts import ClientContext
from dots_client.transport.wire import WireTap


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The server, its address, our identity and the time limit of one attempt."""

    name: str
    "DNS name or IP address in the server's certificate"
    host: str
    "the address to connect to"
    port: int
    credentials: Credentials
    timeout_s: float
    site: Site | None = None
    "answers the server's requests"
    path_mtu: int = DEFAULT_PATH_MTU
    "bytes of an IP packet; for DTLS"
    requires_alpn: bool = True
    "False: accept a server that does not select CoAP by ALPN; for TLS"
    on_wire: WireTap | None = None
    may_send: MaySend = always
    resumption: ResumptionCache | None = None
    "if given, a session of an earlier attempt is resumed if the server agrees"

    def offers(self, transport: str, context: ClientContext) -> Offers:
        """What its handshakes offer for resumption, over `dtls` or `tls`."""
        key = ResumptionKey(transport, self.name, self.port, self.credentials)
        return Offers(context, self.resumption, key)
