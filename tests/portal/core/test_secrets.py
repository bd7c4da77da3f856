from __future__ import annotations

import ast
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from portal.core import secrets
from portal.core.errors import SecretUnreadable
from tests.parsed import parsed

PORTAL = Path(__file__).parents[3] / "portal"


def test_an_encrypted_secret_decrypts_to_itself() -> None:
    sealed = secrets.encrypt(b"key")

    assert b"key" not in sealed
    assert secrets.decrypt(memoryview(sealed)) == b"key"


def test_an_older_key_still_decrypts_its_secrets(settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [old]
    sealed = secrets.encrypt(b"key")

    settings.ENCRYPTION_KEYS = [new, old]
    assert secrets.decrypt(sealed) == b"key"

    settings.ENCRYPTION_KEYS = [new]
    with pytest.raises(SecretUnreadable):
        secrets.decrypt(sealed)
    with pytest.raises(SecretUnreadable):
        secrets.rotate(sealed)


@pytest.mark.parametrize("position", [0, 1, 9, 20, 40, -1])
def test_a_changed_secret_is_not_decrypted(position: int) -> None:
    sealed = bytearray(urlsafe_b64decode(secrets.encrypt(b"key")))
    sealed[position] ^= 1

    with pytest.raises(SecretUnreadable):
        secrets.decrypt(urlsafe_b64encode(sealed))


def test_only_one_module_decrypts() -> None:
    """So that no other place can forget to handle an unreadable secret."""
    importing = {
        str(path.relative_to(PORTAL))
        for path in PORTAL.rglob("*.py")
        if "fernet" in (source := path.read_text())
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.ImportFrom) and node.module == "cryptography.fernet"
    }

    assert importing == {"core/secrets.py", "checks.py"}
