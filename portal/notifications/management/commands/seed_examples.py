"""Adds plans, detectors and a channel for a demo from a description on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.alerts.mapping import AlertSource
from portal.alerts.models import AlertEndpoint
from portal.alerts.services.endpoints import EndpointWish, add_endpoint
from portal.alerts.services.receive import accept
from portal.mitigations.validation import Submission
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.services.change import ChannelDraft, add_channel, change_channel
from portal.organizations.models import Organization, ProtectedResource
from portal.standby import services
from portal.standby.models import StandbyPlan


class Command(BaseCommand):
    """Skips plans whose names were ever used, even if a person removed the plan. Detectors report
    each time; a channel gets its address each time.
    """

    help = "Adds the plans, detectors and channels that standard input describes as JSON."

    def handle(self, *args: Any, **options: Any) -> None:
        description = json.load(sys.stdin)
        add = {"plans": _add_plan, "channels": _add_channel, "detectors": _add_detector}
        for kind, add_one in add.items():
            for one in description[kind]:
                organization = Organization.objects.get(slug=one["organization"])
                add_one(one, organization, Actor.person(User.objects.get(username=one["by"])))


def _add_plan(description: dict[str, Any], organization: Organization, actor: Actor) -> None:
    if StandbyPlan.objects.filter(organization=organization, name=description["name"]).exists():
        return
    own = ProtectedResource.objects.filter(
        organization=organization, name__in=description["resources"]
    )
    services.create_plan(
        organization=organization,
        actor=actor,
        name=description["name"],
        submission=Submission(resources=tuple(own.values_list("pk", flat=True))),
    )


def _add_channel(description: dict[str, Any], organization: Organization, actor: Actor) -> None:
    draft = ChannelDraft(name=description["name"], values={"url": description["url"]})
    known = NoticeChannel.objects.filter(organization=organization, name=description["name"])
    if channel := known.first():
        change_channel(channel=channel, actor=actor, draft=draft)
    else:
        add_channel(organization=organization, actor=actor, kind="webhook", draft=draft)


def _add_detector(description: dict[str, Any], organization: Organization, actor: Actor) -> None:
    """Its report waits for the worker."""
    own = AlertEndpoint.objects.filter(organization=organization, name=description["name"])
    endpoint = own.first()
    if endpoint is None:
        wish = EndpointWish(name=description["name"], source=AlertSource(description["source"]))
        endpoint, _ = add_endpoint(organization=organization, actor=actor, wish=wish)
    accept(endpoint, json.dumps(description["report"]).encode(), timezone.now())
