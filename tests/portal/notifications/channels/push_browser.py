"""A browser as a push service and the portal know it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec

from portal.notifications.channels.web_push.keys import (
    newest_public_key,
    public_key_of,
    text_of,
)
from tests.portal.notifications.channels.http_receiver import Received


def new_key() -> str:
    """For PORTAL_VAPID_KEYS."""
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    return text_of(numbers.private_value.to_bytes(32, "big"))


@dataclass
class Browser:
    """What a browser keeps of a subscription."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    auth: bytes = field(default_factory=lambda: os.urandom(16))

    @property
    def body(self) -> dict[str, Any]:
        keys = {"p256dh": public_key_of(self.key), "auth": text_of(self.auth)}
        return {"name": "Phone", "endpoint": self.endpoint, "keys": keys}

    @property
    def values(self) -> dict[str, str]:
        return {
            "endpoint": self.endpoint,
            **self.body["keys"],
            "public_key": newest_public_key(),
        }

    def read(self, got: Received) -> Any:
        """Decrypt as RFC 8291 says."""
        assert got.headers["content-encoding"] == "aes128gcm"
        plain = http_ece.decrypt(
            got.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"
        )
        return json.loads(plain)
