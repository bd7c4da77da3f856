"""Reads one PKCS#12 file in a separate process: the file decides how long that takes.

    python -m portal.connections.pkcs12_reader

Standard input: a line of JSON with `data` (base64) and `password`. Standard output: JSON with
`chain` and `key` in PEM, or `error`.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

UNREADABLE: Final = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm)


def read(data: bytes, password: str) -> dict[str, str]:
    """The key and the certificates of a file. `error`: `unreadable`, `no-key`, `no-certificate`."""
    try:
        key, own, others = pkcs12.load_key_and_certificates(data, password.encode() or None)
    except UNREADABLE:
        return {"error": "unreadable"}
    if key is None:
        return {"error": "no-key"}
    if own is None:
        return {"error": "no-certificate"}
    try:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(one.public_bytes(Encoding.PEM) for one in (own, *others))
    except UNREADABLE:
        return {"error": "unreadable"}
    return {"chain": chain.decode("ascii"), "key": pem.decode("ascii")}


def main() -> None:
    asked = json.load(sys.stdin)
    json.dump(read(b64decode(asked["data"]), asked["password"]), sys.stdout)


if __name__ == "__main__":
    main()
