"""Secrets at rest: encrypted with the first key of PORTAL_ENCRYPTION_KEYS, readable with any of
them.
"""

from __future__ import annotations

import logging

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from portal.core.cooldown import Cooldown
from portal.core.errors import SecretUnreadable

further_columns: list[tuple[type[models.Model], str]] = []
"""Encrypted columns of apps that are above `rotate_secrets`, which they add themselves."""

logger = logging.getLogger(__name__)

log_pause = Cooldown(pause_s=60.0)
"""Every sign-in and every session tries again: one line a minute says it."""


def encrypt(plain: bytes) -> bytes:
    return _fernet().encrypt(plain)


def decrypt(sealed: bytes | memoryview) -> bytes:
    """Raises SecretUnreadable if no key fits, and logs which setting is wrong."""
    plain = try_decrypt(sealed)
    if plain is None:
        if not log_pause.is_active:
            log_pause.start()
            logger.error(
                "PORTAL_ENCRYPTION_KEYS lacks the key that a secret in the database was encrypted "
                "with: add that key (manage.py rotate_secrets --check counts these secrets)"
            )
        raise SecretUnreadable
    return plain


def try_decrypt(sealed: bytes | memoryview) -> bytes | None:
    """None if no key fits, where that is normal after a change of the keys."""
    try:
        # psycopg returns binary columns as memoryviews.
        return _fernet().decrypt(bytes(sealed))
    except InvalidToken:
        return None


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
