"""The text of a token: a prefix by which secret scanners find a leaked one, random characters, and
a checksum, so that a mistyped one is refused without a look into the database.
"""

from __future__ import annotations

import re
import secrets
import zlib
from typing import Final

PERSON: Final = "dmp_"
SERVICE: Final = "dms_"
RANDOM_LENGTH: Final = 32
"""190 random bits."""
CHECKSUM_LENGTH: Final = 6
"""Base 62 of a CRC-32, with leading zeros."""
HINT_LENGTH: Final = 8
"""The first characters, by which people recognize a token."""
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE: Final = re.compile(f"dm[ps]_[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}")


def make(prefix: str) -> str:
    """A new token. `prefix`: PERSON or SERVICE."""
    body = prefix + "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + _checksum(body)


def is_malformed(text: str) -> bool:
    """Whether it begins like a token of today, and is none. Tokens of the release before the
    prefixes have no checksum.
    """
    if not text.startswith((PERSON, SERVICE)):
        return False
    body, checksum = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    return _SHAPE.fullmatch(text) is None or _checksum(body) != checksum


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode("ascii")), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
