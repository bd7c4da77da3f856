"""A passkey in software: it answers the options of a page as a browser does."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, NEW_KEY = 0x01, 0x04, 0x40


def encoded(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftPasskey:
    """One key pair. `asks`: whether it asks for a PIN, a finger or a face."""

    asks: bool = True
    origin: str = "http://testserver"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    id: bytes = b"a passkey of these tests"

    def made(self, options: dict[str, Any]) -> str:
        """The answer to the options for a new passkey."""
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps(
            {
                1: 2,
                3: -7,
                -1: 1,
                -2: numbers.x.to_bytes(32, "big"),
                -3: numbers.y.to_bytes(32, "big"),
            }
        )
        new = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        data = self._data(options["rp"]["id"], NEW_KEY) + new
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer(attestationObject=encoded(attestation), clientDataJSON=encoded(client))

    def given(self, options: dict[str, Any]) -> str:
        """The answer to the options of a sign-in."""
        data = self._data(options["rpId"], 0)
        client = self._client("webauthn.get", options["challenge"])
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            authenticatorData=encoded(data),
            clientDataJSON=encoded(client),
            signature=encoded(signed),
        )

    def _data(self, rp: str, flags: int) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.asks else 0)
        return hashlib.sha256(rp.encode()).digest() + bytes([flags]) + bytes(4)

    def _client(self, type: str, challenge: str) -> bytes:
        return json.dumps(
            {"type": type, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _answer(self, **response: str) -> str:
        return json.dumps(
            {
                "id": encoded(self.id),
                "rawId": encoded(self.id),
                "type": "public-key",
                "response": response,
                "clientExtensionResults": {},
            }
        )
