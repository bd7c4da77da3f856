"""Getting started: what a new organization still needs, from what is there now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.urls import reverse
from django.utils import timezone

from portal.core.formatting import plural
from portal.organizations.invitations import unanswered
from portal.organizations.models import Membership, Organization
from portal.organizations.queries import resources
from portal.providers.models import SessionState, Subscription
from portal.sso.queries import can_give_factor
from portal.standby.queries import last_passed_drill
from portal.web.frame import Frame
from portal.web.settings.navigation import SettingsPage


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the list."""

    name: str
    text: str
    is_done: bool
    link: str
    link_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPage(SettingsPage):
    """The list, and how much of it is done."""

    template: ClassVar = "settings/start.html"
    tab: ClassVar = "start"

    headline: str
    is_done: bool
    steps: Sequence[Step]


def start_page(start: Frame) -> StartPage:
    organization = start.organization
    steps = [
        _resources(organization),
        _providers(organization),
        _people(organization),
        _drill(organization),
    ]
    done = sum(step.is_done for step in steps)
    return StartPage(
        frame=start,
        title="Getting started",
        headline=_headline(organization, done, len(steps)),
        is_done=done == len(steps),
        steps=steps,
    )


def _headline(organization: Organization, done: int, total: int) -> str:
    if done == total:
        return f"{organization.name} is set up."
    return f"{done} of {total} steps are done."


def _resources(organization: Organization) -> Step:
    own = resources(organization)
    count, verified = own.count(), own.filter(verified_at__isnull=False).count()
    if verified:
        text = f"{plural(verified, 'resource')} verified, of {count}."
    elif count:
        text = f"{plural(count, 'resource')} added; the portal’s operator has verified none yet."
    else:
        text = "None yet. These are the addresses and names that you may request protection for."
    return Step(
        name="Add your resources",
        text=text,
        is_done=verified > 0,
        link=reverse("resources:resources", args=[organization.slug]),
        link_words="Open resources",
    )


def _providers(organization: Organization) -> Step:
    own = Subscription.objects.filter(organization=organization, enabled=True)
    count = own.count()
    up = own.filter(session_state=SessionState.UP).count()
    if up:
        text = f"{plural(up, 'provider')} connected, of {count}."
    elif count:
        text = f"{plural(count, 'provider')} added, none connected now."
    else:
        text = "None yet. A provider filters the traffic; you have a contract with it."
    return Step(
        name="Connect a provider",
        text=text,
        is_done=up > 0,
        link=reverse("connections:providers", args=[organization.slug]),
        link_words="Open providers",
    )


def _people(organization: Organization) -> Step:
    own = Membership.objects.filter(organization=organization, user__is_active=True)
    ready = [one for one in own.filter(can_give_factor()) if one.can_operate]
    invited = unanswered(organization).filter(expires_at__gt=timezone.now()).count()
    who = "1 person" if len(ready) == 1 else f"{len(ready)} people"
    text = f"{who} can request mitigation."
    if invited:
        text += f" {plural(invited, 'invitation')} not accepted yet."
    elif len(ready) < 2:
        text += " Invite a second one for the day when you cannot."
    return Step(
        name="Invite your colleagues",
        text=text,
        is_done=len(ready) > 1,
        link=reverse("settings:members", args=[organization.slug]),
        link_words="Open members",
    )


def _drill(organization: Organization) -> Step:
    passed = last_passed_drill(organization)
    return Step(
        name="Run a first drill",
        text="A drill has passed."
        if passed
        else "It sends a real standby request to each provider and takes seconds. Traffic is not "
        "touched.",
        is_done=passed is not None,
        link=reverse("readiness:readiness", args=[organization.slug]),
        link_words="Open readiness",
    )
