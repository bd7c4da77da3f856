from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from portal.core import secrets
from portal.core.errors import SecretUnreadable

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


def test_only_one_module_decrypts() -> None:
    """So that no other place can forget to handle an unreadable secret."""
    importing = {
        str(path.relative_to(PORTAL))
        for path in PORTAL.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "cryptography.fernet"
    }

    assert importing == {"core/secrets.py", "checks.py"}
