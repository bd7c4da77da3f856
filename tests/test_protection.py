"""docs/protection.md names every secret, key and limit that the code has."""

from __future__ import annotations

import re
from pathlib import Path

from django.db.models import Model

from portal.accounts.guessable import WORDS
from portal.accounts.services.sign_in_steps import MAX_PASSWORD_LENGTH
from portal.connections.uploads import MAX_FILE_BYTES, READ_WITHIN_S
from portal.core import secrets
from portal.core.body_limits import MAX_BODY_BYTES
from portal.mail.models import OutgoingMail
from portal.providers.management.commands.rotate_secrets import ENCRYPTED
from portal.sso import fetching

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/protection.md").read_text()


def test_every_secret_setting_is_among_the_keys() -> None:
    settings = (ROOT / "portal/settings.py").read_text()
    names = set(re.findall(r'env\.secret\("(\w+)"\)', settings))

    assert len(names) >= 6
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


def test_every_encrypted_column_is_among_the_keys() -> None:
    columns: list[tuple[type[Model], str]] = [
        *ENCRYPTED,
        *secrets.further_columns,
        (OutgoingMail, "encrypted_body"),
    ]

    assert [
        f"{model.__name__}.{name}"
        for model, name in columns
        if f"`{model.__name__}.{name}`" not in TEXT
    ] == []


def test_words_that_make_no_password_are_those_of_the_check() -> None:
    named = re.search(r"these words: ([\w,\s]+)\.", TEXT)

    assert named is not None
    assert [word.strip() for word in named[1].split(",")] == list(WORDS)


def test_the_limits_are_those_of_the_code() -> None:
    said = " ".join(TEXT.split())

    assert f"12 to {MAX_PASSWORD_LENGTH:,} characters" in said
    assert f"up to {MAX_FILE_BYTES // 1024} KiB" in said
    assert f"at most {MAX_BODY_BYTES // 1024} KiB" in said
    assert f"at most {READ_WITHIN_S:g} s" in said
    assert f"{fetching.TIMEOUT_S:g} s, {fetching.MAX_BODY_BYTES // 1024} KiB" in said
    assert f"{fetching.MAX_CALLS_AT_ONCE} at once" in said
