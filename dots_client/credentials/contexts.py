"""Build the contexts of both transports from the entered credentials."""

from __future__ import annotations

from collections.abc import Callable

from dots_client.credentials.reading import problem
from dots_client.errors import HandshakeFailed
from dots_client.identity import Credentials
from dots_client.transport.tls_contexts import client_context, tls_client_context


def build_contexts(chain: bytes, key: bytes, anchors: bytes, *, part: str) -> None:
    """Build the contexts of both transports, so that OpenSSL reports what the other checks miss."""
    credentials = Credentials(certificate_chain=chain, private_key=key, trust_anchors=anchors)
    build: Callable[[Credentials], object]
    for build in (client_context, tls_client_context):
        try:
            build(credentials)
        except HandshakeFailed as error:
            raise problem(part, "unusable", f"It cannot be used: {error}.") from error
