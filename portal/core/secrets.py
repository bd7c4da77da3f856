"""Secrets at rest: encrypted with the first key of PORTAL_ENCRYPTION_KEYS, readable with any of
them.
"""

from __future__ import annotations

import logging

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from portal.core.errors import SecretUnreadable

logger = logging.getLogger(__name__)


def encrypt(plain: bytes) -> bytes:
    return _fernet().encrypt(plain)


def decrypt(sealed: bytes | memoryview) -> bytes:
    """Raises SecretUnreadable if no key fits, and logs which setting is wrong."""
    try:
        # psycopg returns binary columns as memoryviews.
        return _fernet().decrypt(bytes(sealed))
    except InvalidToken as error:
        logger.error(
            "PORTAL_ENCRYPTION_KEYS lacks the key that a secret in the database was encrypted "
            "with: add that key (manage.py rotate_secrets --check counts these secrets)"
        )
        raise SecretUnreadable from error


def rotate(sealed: bytes | memoryview) -> bytes:
    """The same secret, encrypted with the first key.

    Raises SecretUnreadable if no key fits.
    """
    try:
        return _fernet().rotate(bytes(sealed))
    except InvalidToken as error:
        raise SecretUnreadable from error


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
