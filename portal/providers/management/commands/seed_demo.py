"""Fills an installation for a demo or a test from a description on standard input."""

from __future__ import annotations

import json
import sys
from base64 import b32decode
from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from portal.accounts.models import Authenticator, User
from portal.core import secrets
from portal.organizations.models import Membership, Organization, ProtectedResource
from portal.providers.models import Provider, Subscription


class Command(BaseCommand):
    """Existing rows stay as they are, except for the addresses of providers."""

    help = "Adds the organizations, people and providers that standard input describes as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        description = json.load(sys.stdin)
        with transaction.atomic():
            for organization in description["organizations"]:
                _add_organization(organization)
            for user in description["users"]:
                _add_user(user)
            for priority, provider in enumerate(description["providers"], start=1):
                _add_provider(provider, priority)
        self.stdout.write(
            f"{len(description['organizations'])} organizations, {len(description['users'])} "
            f"users, "
            f"{len(description['providers'])} providers."
        )


def _add_organization(description: dict[str, Any]) -> None:
    organization, _ = Organization.objects.get_or_create(
        slug=description["slug"],
        defaults={"name": description["name"], **description.get("policy", {})},
    )
    for resource in description["resources"]:
        ProtectedResource.objects.get_or_create(
            organization=organization,
            name=resource["name"],
            defaults={
                "kind": resource["kind"],
                "value": resource["value"],
                "verified_at": timezone.now() if resource["is_verified"] else None,
            },
        )


def _add_user(description: dict[str, Any]) -> None:
    username = description["username"]
    if User.objects.filter(username=username).exists():
        return
    user = User.objects.create_user(
        username,
        f"{username}@portal.example",
        description["password"],
        is_staff=description["is_staff"],
        is_superuser=description["is_staff"],
    )
    if description["totp_secret"]:
        Authenticator.objects.create(
            user=user,
            name="Authenticator",
            confirmed=True,
            encrypted_key=secrets.encrypt(b32decode(description["totp_secret"])),
        )
    if description["organization"]:
        Membership.objects.create(
            organization=Organization.objects.get(slug=description["organization"]),
            user=user,
            role=description["role"],
        )


def _add_provider(description: dict[str, Any], priority: int) -> None:
    provider, _ = Provider.objects.update_or_create(
        name=description["name"],
        defaults={
            field: description[field]
            for field in ("short_name", "phone", "host", "port", "server_name", "trust_anchors")
        },
    )
    for client in description["clients"]:
        Subscription.objects.update_or_create(
            organization=Organization.objects.get(slug=client["organization"]),
            provider=provider,
            defaults={
                "cuid": client["cuid"],
                "certificate_chain": client["certificate_chain"],
                "private_key": secrets.encrypt(client["private_key"].encode()),
            },
            create_defaults={
                "priority": priority,
                "cuid": client["cuid"],
                "certificate_chain": client["certificate_chain"],
                "private_key": secrets.encrypt(client["private_key"].encode()),
            },
        )
