"""Whether credentials will do for a session: what the first handshake would find, found when they are entered.

Only what is wrong with the credentials themselves is told here. Whether the peer accepts them, only the peer knows.
"""

from __future__ import annotations

from dots_client.credentials.anchors import trust_anchors
from dots_client.credentials.client import client_identity
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
