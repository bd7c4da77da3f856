"""Create plans for a demo from a description on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.mitigations.validation import Submission
from portal.organizations.models import Organization, ProtectedResource
from portal.standby import services
from portal.standby.models import StandbyPlan


class Command(BaseCommand):
    """Skips names that were ever used, even if a person removed the plan."""

    help = "Prepares the plans that standard input describes as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        for plan in json.load(sys.stdin):
            _add_plan(plan)


def _add_plan(description: dict[str, Any]) -> None:
    organization = Organization.objects.get(slug=description["organization"])
    if StandbyPlan.objects.filter(organization=organization, name=description["name"]).exists():
        return
    own = ProtectedResource.objects.filter(
        organization=organization, name__in=description["resources"]
    )
    services.create_plan(
        organization=organization,
        actor=Actor.person(User.objects.get(username=description["by"])),
        name=description["name"],
        submission=Submission(resources=tuple(own.values_list("pk", flat=True))),
    )
