"""A key and a certificate as people have them: PEM texts, or one PKCS#12 file."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Final

from portal.core.errors import FieldError, Invalid
from portal.providers.services import Identity

logger = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 64 * 1024
"""A certificate chain with its key has a tenth of it."""
MAX_PASSWORD_LENGTH: Final = 1000
READ_WITHIN_S: Final = 10.0
"""A PKCS#12 file says how often its password is hashed; ordinary ones take milliseconds."""
_DER_SEQUENCE: Final = b"\x30"
_ROOT: Final = Path(__file__).resolve().parents[2]
_MESSAGES: Final = {
    "unreadable": ("password", "The file cannot be read with this password."),
    "no-key": ("pkcs12", "There is no private key in the file. Export it with its key."),
    "no-certificate": (
        "pkcs12",
        "There is no certificate in the file that belongs to its key. Export both together.",
    ),
    "too-slow": ("pkcs12", f"The file could not be read within {READ_WITHIN_S:g} s."),
}


def from_pem(certificate_chain: bytes, private_key: bytes) -> Identity:
    """Both as they were uploaded. Invalid if one is missing or too large."""
    errors = [
        FieldError(name, *problem)
        for name, data in (("certificate_chain", certificate_chain), ("private_key", private_key))
        if (problem := _why_not(data))
    ]
    if errors:
        raise Invalid(errors[0].message, errors=errors)
    return Identity(certificate_chain=certificate_chain, private_key=private_key)


def from_pkcs12(data: bytes, password: str) -> Identity:
    """The key and the certificates of a file. Invalid, at `pkcs12` or `password`."""
    if problem := _why_not(data):
        raise Invalid.at("pkcs12", *problem)
    if data.startswith(b"-----BEGIN") or not data.startswith(_DER_SEQUENCE):
        message = "This is no PKCS#12 file (.p12 or .pfx)."
        raise Invalid.at("pkcs12", "not-pkcs12", message)
    if len(password) > MAX_PASSWORD_LENGTH or "\0" in password:
        message = f"A password has at most {MAX_PASSWORD_LENGTH:,} characters, and no NUL."
        raise Invalid.at("password", "odd-password", message)
    found = _read_elsewhere(data, password)
    if error := found.get("error"):
        field, message = _MESSAGES[error]
        raise Invalid.at(field, error, message)
    return Identity(
        certificate_chain=found["chain"].encode("ascii"), private_key=found["key"].encode("ascii")
    )


def checked_certificate(data: bytes) -> bytes:
    """A certificate alone, for a key that the portal made. Invalid if it is missing or too
    large.
    """
    if problem := _why_not(data):
        raise Invalid.at("certificate_chain", *problem)
    return data


def _why_not(data: bytes) -> tuple[str, str] | None:
    if not data.strip():
        return "missing", "Choose a file, or paste the text."
    if len(data) > MAX_FILE_BYTES:
        message = f"This has {len(data):,} bytes: at most {MAX_FILE_BYTES:,} are read."
        return "too-long", message
    return None


def _read_elsewhere(data: bytes, password: str) -> dict[str, str]:
    asked = json.dumps({"data": b64encode(data).decode("ascii"), "password": password})
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "portal.connections.pkcs12_reader"],
            input=asked.encode(),
            capture_output=True,
            timeout=READ_WITHIN_S,
            cwd=_ROOT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": "too-slow"}
    if ended.returncode != 0:
        # What it wrote may quote the file.
        logger.error("the reader of PKCS#12 files ended with %d", ended.returncode)
        return {"error": "unreadable"}
    found: dict[str, str] = json.loads(ended.stdout)
    return found
