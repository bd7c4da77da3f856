from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from portal.accounts.models import User
from portal.organizations import services
from portal.organizations.models import Organization, Role


class Command(BaseCommand):
    """Gives a person a role in an organization, from a shell."""

    help = "Adds a person to an organization, or changes their role."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("organization", help="its slug, for example acme")
        parser.add_argument("name", help="sign-in name")
        parser.add_argument("--role", choices=Role.values, default=Role.OPERATOR.value)

    def handle(self, *args: Any, **options: Any) -> None:
        organization = Organization.objects.filter(slug=options["organization"]).first()
        if organization is None:
            raise CommandError(f"There is no organization {options['organization']}.")
        user = User.objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"There is no person named {options['name']}.")
        services.set_role(organization=organization, user=user, role=Role(options["role"]))
        self.stdout.write(f"{user.username} is {options['role']} of {organization.name}.")
