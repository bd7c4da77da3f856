from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models

from portal.accounts.models import Authenticator, User
from portal.core import secrets
from portal.providers.management.commands.rotate_secrets import ENCRYPTED
from portal.providers.models import Subscription

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def rotate(*options: str) -> str:
    said = StringIO()
    call_command("rotate_secrets", *options, stdout=said)
    return said.getvalue()


@pytest.fixture
def sealed_with_the_old_key(settings: Any, acme_northgate: Subscription, mo: User) -> Any:
    settings.ENCRYPTION_KEYS = [OLD]
    Authenticator.objects.all().delete()
    Authenticator.objects.create(user=mo, name="App", encrypted_key=secrets.encrypt(b"totp"))
    Subscription.objects.update(private_key=secrets.encrypt(b"pem"))
    return settings


def test_every_encrypted_column_is_rotated() -> None:
    binary = {
        (model, field.name)
        for model in apps.get_models()
        if model.__module__.startswith("portal.")
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField)
        and any(word in field.name for word in ("key", "secret", "sealed"))
    }

    assert binary == {*ENCRYPTED, *secrets.further_columns}


def test_the_old_key_can_be_removed_after_the_rotation(sealed_with_the_old_key: Any) -> None:
    sealed_with_the_old_key.ENCRYPTION_KEYS = [NEW, OLD]

    assert rotate() == "Encrypted 2 secrets with the first key. You can remove the others.\n"

    sealed_with_the_old_key.ENCRYPTION_KEYS = [NEW]
    assert rotate("--check") == "The keys fit all 2 secrets.\n"
    assert secrets.decrypt(Authenticator.objects.get().encrypted_key) == b"totp"
    assert secrets.decrypt(Subscription.objects.get().private_key) == b"pem"


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_secret_that_no_key_decrypts_is_counted_and_left_unchanged(
    sealed_with_the_old_key: Any, options: tuple[str, ...]
) -> None:
    sealed_with_the_old_key.ENCRYPTION_KEYS = [NEW]
    Authenticator.objects.update(encrypted_key=secrets.encrypt(b"totp"))

    with pytest.raises(CommandError, match="fits 1 of 2 secrets"):
        rotate(*options)

    sealed_with_the_old_key.ENCRYPTION_KEYS = [OLD]
    assert secrets.decrypt(Subscription.objects.get().private_key) == b"pem"
