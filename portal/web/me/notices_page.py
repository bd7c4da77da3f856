"""The tab "Notices": which kinds reach the person on which channel, and quiet hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final
from urllib.parse import urlencode

from django.urls import reverse

from portal.accounts.models import User
from portal.accounts.time_zones import UTC, zone_names
from portal.mail.services import can_send
from portal.notifications.choices import NoticeCell, choices_of, quiet_hours_of
from portal.notifications.kinds import AT_ONCE
from portal.notifications.receivers import person_channels
from portal.notifications.retries import quiet_texts
from portal.notifications.unsubscribing import StopLink
from portal.notifications.wording import KIND_NAMES
from portal.organizations.models import Membership
from portal.web.me.navigation import MePage
from portal.web.me.push_part import PushPart
from portal.web.rendering import Page

SEPARATOR: Final = " "
"""Between the kinds of notice and of channel, in the value of a box."""


@dataclass(frozen=True, slots=True)
class OrganizationLink:
    name: str
    url: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class NoticeBox:
    """One cell: a box to tick, or that the portal always mails it."""

    channel: str
    value: str
    is_wanted: bool
    is_fixed: bool


@dataclass(frozen=True, slots=True)
class NoticeRow:
    name: str
    is_at_once: bool
    boxes: Sequence[NoticeBox]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesPage(MePage):
    """The form for one organization, and links to the others."""

    template: ClassVar = "me/notices.html"
    tab: ClassVar = "notices"

    organizations: Sequence[OrganizationLink]
    organization: str
    "empty for a person who is a member of none"
    action: str
    channels: Sequence[str]
    rows: Sequence[NoticeRow]
    quiet_begins: str
    quiet_ends: str
    zone: str
    address: str
    "where mail goes; empty: nowhere"
    has_mail: bool
    "the portal has a mail server"
    push: PushPart
    errors: Mapping[str, str] = field(default_factory=dict)


def notices_page(
    person: User,
    memberships: Sequence[Membership],
    here: Membership | None,
    *,
    push: PushPart,
    wanted: frozenset[str] | None = None,
    quiet: tuple[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> NoticesPage:
    """`wanted` and `quiet`: what was typed, if it could not be saved."""
    if quiet is None:
        saved = quiet_hours_of(here) if here else None
        quiet = quiet_texts(saved) if saved else ("", "")
    zone = person.time_zone if person.time_zone in zone_names() else UTC
    return NoticesPage(
        person=person,
        organizations=[
            OrganizationLink(one.organization.name, url_for(one), one == here)
            for one in memberships
        ],
        organization=here.organization.name if here else "",
        action=url_for(here) if here else "",
        channels=[one.name for one in person_channels.values()],
        rows=_rows(choices_of(here), wanted) if here else [],
        quiet_begins=quiet[0],
        quiet_ends=quiet[1],
        zone=zone.replace("_", " "),
        address=person.email,
        has_mail=can_send(),
        push=push,
        errors=errors or {},
    )


def url_for(membership: Membership) -> str:
    query = urlencode({"organization": membership.organization.slug})
    return f"{reverse('me:notices')}?{query}"


def _rows(cells: Sequence[NoticeCell], wanted: frozenset[str] | None) -> list[NoticeRow]:
    kinds = dict.fromkeys(one.kind for one in cells)
    return [
        NoticeRow(
            name=KIND_NAMES[kind],
            is_at_once=kind in AT_ONCE,
            boxes=[_box(one, wanted) for one in cells if one.kind == kind],
        )
        for kind in kinds
    ]


def _box(cell: NoticeCell, wanted: frozenset[str] | None) -> NoticeBox:
    value = value_of(cell)
    return NoticeBox(
        channel=person_channels[cell.channel_kind].name,
        value=value,
        is_wanted=cell.is_wanted if wanted is None else value in wanted,
        is_fixed=cell.is_fixed,
    )


def value_of(cell: NoticeCell) -> str:
    return f"{cell.kind}{SEPARATOR}{cell.channel_kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopNoticesPage(Page):
    """What the link in a mail opens, signed in or not."""

    template: ClassVar = "notices/stop.html"

    what: str
    organization: str
    action: str
    is_done: bool


def stop_page(link: StopLink, *, action: str, is_done: bool) -> StopNoticesPage:
    return StopNoticesPage(
        what=link.what,
        organization=link.membership.organization.name,
        action=action,
        is_done=is_done,
    )
