from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken

from portal.core import secrets


def test_secrets_come_back_as_they_were() -> None:
    sealed = secrets.encrypt(b"key")

    assert b"key" not in sealed
    assert secrets.decrypt(memoryview(sealed)) == b"key"


def test_an_older_key_still_opens_what_it_sealed(settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    sealed = secrets.encrypt(b"key")

    settings.ENCRYPTION_KEYS = [new, old]
    assert secrets.decrypt(sealed) == b"key"

    settings.ENCRYPTION_KEYS = [new]
    with pytest.raises(InvalidToken):
        secrets.decrypt(sealed)
