"""Encrypts all secrets in the database with the newest key, so that the older keys can
be removed.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import models

from portal.accounts.models import Authenticator
from portal.audit.recording import record_entry
from portal.audit.verbs import Verb
from portal.core import secrets
from portal.core.errors import SecretUnreadable
from portal.providers.models import ClientKey, Subscription

ENCRYPTED: tuple[tuple[type[models.Model], str], ...] = (
    (Authenticator, "encrypted_key"),
    (Subscription, "private_key"),
    (ClientKey, "private_key"),
)
"""Every column that portal.core.secrets encrypts, with those of `secrets.further_columns`."""


class Command(BaseCommand):
    """Fails if no key of PORTAL_ENCRYPTION_KEYS fits a secret, after it has encrypted
    the others.
    """

    help = "Encrypts all secrets in the database with the first key of PORTAL_ENCRYPTION_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="only check whether every secret can be read"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        read = unreadable = 0
        for model, field in (*ENCRYPTED, *secrets.further_columns):
            rows = model._default_manager.exclude(**{field: None})
            for pk, sealed in rows.values_list("pk", field):
                try:
                    rotated = secrets.rotate(sealed)
                except SecretUnreadable:
                    unreadable += 1
                    continue
                read += 1
                if not options["check"]:
                    # Only if no other process replaced it since; that one used the newest key.
                    rows.filter(pk=pk, **{field: sealed}).update(**{field: rotated})
        if not options["check"]:
            record_entry(
                Verb.SECRETS_ROTATED,
                actor=None,
                is_by_staff=True,
                after={"rotated": read, "unreadable": unreadable},
            )
        if unreadable:
            message = (
                f"No key of PORTAL_ENCRYPTION_KEYS fits {unreadable} of {unreadable + read} "
                f"secrets: authenticators "
                "and client keys encrypted with another key do not work."
            )
            raise CommandError(message)
        self.stdout.write(
            f"The keys fit all {read} secrets."
            if options["check"]
            else f"Encrypted {read} secrets with the first key. You can remove the others."
        )
