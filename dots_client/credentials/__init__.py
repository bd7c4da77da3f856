"""Check credentials when they are entered, before a handshake fails because of them.

The checks cover the credentials themselves. Only the peer knows whether it accepts them.
"""

from __future__ import annotations

from dots_client.credentials.anchors import trust_anchors
from dots_client.credentials.client_certificate import client_identity
from dots_client.credentials.reading import MAX_PEM_BYTES
from dots_client.errors import CredentialsError
from dots_client.identity import cuid_from_certificate

__all__ = [
    "MAX_PEM_BYTES",
    "CredentialsError",
    "client_identity",
    "cuid_from_certificate",
    "trust_anchors",
]
