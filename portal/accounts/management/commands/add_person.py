"""Adds a person from a shell, such as the first member of the portal's staff, who cannot be added
in `/admin/`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from portal.accounts.audited import record_about
from portal.accounts.models import User
from portal.audit.verbs import Verb


class Command(BaseCommand):
    """Reads the password from standard input, because `ps` would show an argument."""

    help = (
        "Adds a person. The password is read from standard input. At the first sign-in the person "
        "chooses another one, and sets up the second factor."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="sign-in name")
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--staff",
            action="store_true",
            help="make the person portal staff with every permission",
        )
        parser.add_argument(
            "--count-staff", action="store_true", help="only print the number of staff"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count_staff"]:
            self.stdout.write(str(User.objects.filter(is_staff=True, is_active=True).count()))
            return
        if not options["name"]:
            raise CommandError("Name the person: add_person NAME")
        user = User(
            username=options["name"],
            email=options["email"],
            is_staff=options["staff"],
            is_superuser=options["staff"],
        )
        password = sys.stdin.read().removesuffix("\n")
        try:
            validate_password(password, user)
            # With `set_password`, saving would report a changed password.
            user.password = make_password(password)
            user.must_change_password = True
            user.full_clean()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        with transaction.atomic():
            user.save()
            record_about(Verb.PERSON_ADDED, user, actor=None, after={"is_staff": user.is_staff})
        self.stdout.write(f"Added {user.username}.")
