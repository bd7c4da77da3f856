"""Verifies the audit chains, and says which entry is the first that is not as it was written."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from portal.audit.models import PORTAL_CHAIN, Chain
from portal.audit.verification import verify
from portal.organizations.models import Organization

PORTAL = "portal"


class Command(BaseCommand):
    """Exit code 1 if a chain is broken. It changes nothing."""

    help = (
        "Verifies the audit chain of every organization, and of the portal itself. "
        "Exit code 0: all are unbroken; 1: one is broken."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "organization", nargs="?", help=f"its slug; “{PORTAL}”: the portal's own chain"
        )
        parser.add_argument(
            "--head",
            metavar="SEQ:HASH",
            help="a head that was kept elsewhere, such as in a mail; the chain must contain it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        head = _head(options["head"])
        if head and not options["organization"]:
            raise CommandError("Name the organization to which the head belongs.")
        broken = [
            slug
            for slug, pk in _chains(options["organization"])
            if not self._verify(slug, pk, head)
        ]
        if broken:
            raise CommandError(f"Broken: {', '.join(broken)}.")

    def _verify(self, slug: str, organization_id: UUID, head: tuple[int, str] | None) -> bool:
        problem = verify(organization_id, head=head)
        if problem is not None:
            self.stdout.write(f"{slug}: broken: {json.dumps(problem.as_json())}")
            return False
        chain = Chain.objects.filter(pk=organization_id).first() or Chain()
        self.stdout.write(f"{slug}: unbroken, head {chain.seq}:{chain.hash}")
        return True


def _chains(slug: str | None) -> list[tuple[str, UUID]]:
    if slug == PORTAL:
        return [(PORTAL, PORTAL_CHAIN)]
    known = dict(Organization.objects.values_list("pk", "slug"))
    if slug is not None:
        found = [(slug, pk) for pk, one in known.items() if one == slug]
        if not found:
            raise CommandError(f"There is no organization {slug}.")
        return found
    # Also those of organizations that were deleted.
    kept = set(Chain.objects.values_list("pk", flat=True)) - known.keys() - {PORTAL_CHAIN}
    own = sorted((one, pk) for pk, one in known.items())
    return [(PORTAL, PORTAL_CHAIN), *own, *((str(pk), pk) for pk in sorted(kept))]


def _head(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,18}:[0-9a-f]{64}", text):
        raise CommandError("A head is SEQ:HASH, as audit_verify and the daily mail write it.")
    seq, _, hash = text.partition(":")
    return int(seq), hash
