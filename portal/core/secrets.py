"""Secrets at rest: encrypted with the first key of PORTAL_ENCRYPTION_KEYS, readable with any of
them.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def encrypt(plain: bytes) -> bytes:
    return _fernet().encrypt(plain)


def decrypt(sealed: bytes | memoryview) -> bytes:
    """Raises cryptography.fernet.InvalidToken if no key fits."""
    # psycopg returns binary columns as memoryviews.
    return _fernet().decrypt(bytes(sealed))


def rotate(sealed: bytes | memoryview) -> bytes:
    """The same secret, encrypted with the first key.

    Raises cryptography.fernet.InvalidToken if no key fits.
    """
    return _fernet().rotate(bytes(sealed))


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
