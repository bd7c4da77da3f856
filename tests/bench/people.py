"""Adds one person with an API token to each organization of an installation.

A separate program, because it needs the installation's settings: `python -m tests.bench.people
FILE`, which writes the tokens there as JSON, by slug. A sign-in of each person over HTTP would cost
a second of hashing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django


def main(path: Path) -> None:
    django.setup()
    from django.utils import timezone

    from portal.accounts.models import ApiToken, User
    from portal.organizations.models import Membership, Organization, Role

    tokens = {}
    for organization in Organization.objects.order_by("slug"):
        user = User(username=f"person-{organization.slug}")
        user.set_unusable_password()
        user.save()
        Membership.objects.create(organization=organization, user=user, role=Role.ADMIN)
        _, tokens[organization.slug] = ApiToken.objects.create(user=user, device_name="bench")
    # For what needs a fresh factor, such as endpoints of detectors.
    ApiToken.objects.update(factor_at=timezone.now())
    path.touch(mode=0o600)
    path.write_text(json.dumps(tokens))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
