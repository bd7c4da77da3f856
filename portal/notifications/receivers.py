"""Who receives a notice: members on each of their channels, and the channels of an organization.

A kind of channel adds itself here when its app is ready, as this module must not know all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final, Protocol
from uuid import UUID

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from portal.accounts.models import User
from portal.notifications.channels.channel import ChannelKind
from portal.notifications.kinds import ALWAYS_MAILED, DEFAULTS, NoticeKind, may_choose
from portal.notifications.message import ReceiverAnswer, Severity
from portal.notifications.models import Notice, NoticeChoice, QuietHours
from portal.organizations.models import Membership, Organization, Role

logger = logging.getLogger(__name__)

EMAIL: Final = "email"
WEB_PUSH: Final = "web_push"
MAX_MEMBERS: Final = 500
"""Members of an organization who get notices, those who joined first."""
MAX_DEVICES: Final = 10
"""Addresses of one person on one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One place that a notice is sent to."""

    name: str
    """The same for all notices to it, such as `person:<user>:email`."""
    channel_kind: str
    user: User | None = None
    quiet: tuple[time, time] | None = None
    """The person's quiet hours in the person's zone; None: there are none."""
    channel_id: UUID | None = None

    @property
    def is_person(self) -> bool:
        return self.user is not None


@dataclass(frozen=True, slots=True)
class Route:
    """How a notice reaches its receiver."""

    channel: ChannelKind
    values: Mapping[str, str]


class PersonChannel(Protocol):
    """A way to reach people: e-mail, or their devices."""

    kind: str
    name: str
    """The head of its column on the page where people choose."""

    def addresses(self, users: Sequence[User]) -> Mapping[UUID, Sequence[str]]:
        """By person: a name for each address, such as a device's id. People without are missing."""

    def route(self, notice: Notice) -> Route | None:
        """None: the address is gone."""

    def answered(self, notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
        """In the transaction that saves the answer; an address that is GONE is forgotten here."""


@dataclass(frozen=True, slots=True)
class EnabledChannel:
    """A channel of an organization, and which notices it takes."""

    id: UUID
    kind: str
    wants: Callable[[NoticeKind, Severity], bool]


class OrganizationChannels(Protocol):
    """The channels that the admins of organizations added."""

    def enabled(
        self, organization_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[EnabledChannel]]:
        """The channels that are on, by organization; those without are missing."""

    def route(self, notice: Notice) -> Route | None:
        """None: the channel is off or gone."""

    def answered(self, notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
        """In the transaction that saves the answer; a channel that is GONE is switched off here."""


person_channels: Final[dict[str, PersonChannel]] = {}
"""By kind, in the order of the page."""
organization_channels: Final[list[OrganizationChannels]] = []


def is_always_mailed(kind: str, channel_kind: str, role: Role) -> bool:
    """Whether people of this role get it, if it concerns them, whatever they chose."""
    if channel_kind != EMAIL or kind not in list(NoticeKind):
        return False
    needed = ALWAYS_MAILED.get(NoticeKind(kind))
    return needed is not None and role.covers(needed)


@dataclass(frozen=True, slots=True)
class MemberChoices:
    """What one member chose."""

    membership: Membership
    choices: Mapping[tuple[str, str], bool]
    """By kind of notice and of channel, where it is not the default."""
    quiet: tuple[time, time] | None

    def wants(self, kind: NoticeKind, channel_kind: str) -> bool:
        role = Role(self.membership.role)
        if not may_choose(kind, role):
            return False
        if is_always_mailed(kind, channel_kind, role):
            return True
        chosen = self.choices.get((kind, channel_kind))
        return kind in DEFAULTS[role] if chosen is None else chosen


def members_of(organizations: Collection[Organization]) -> dict[UUID, list[MemberChoices]]:
    """All who may get notices, at most MAX_MEMBERS of each. The members of an organization that is
    not active are locked out.
    """
    active = {one.pk: one for one in organizations if one.is_active}
    rows = Membership.objects.filter(organization__in=active, user__is_active=True)
    place = Window(RowNumber(), partition_by=F("organization"), order_by=F("pk").asc())
    first = rows.annotate(place=place).filter(place__lte=MAX_MEMBERS + 1)
    found: dict[UUID, list[Membership]] = {}
    for row in first.select_related("user").order_by("pk"):
        found.setdefault(row.organization_id, []).append(row)
    for organization_id, own in found.items():
        if len(own) > MAX_MEMBERS:
            slug = active[organization_id].slug
            logger.error("%s has too many members: some get no notices", slug)
            del own[MAX_MEMBERS:]
    chosen = _chosen([one for own in found.values() for one in own])
    return {
        organization_id: [member_with_choices(one, *chosen) for one in own]
        for organization_id, own in found.items()
    }


def member_with_choices(
    membership: Membership,
    choices: Mapping[int, Mapping[tuple[str, str], bool]],
    quiet: Mapping[int, tuple[time, time]],
) -> MemberChoices:
    return MemberChoices(membership, choices.get(membership.pk, {}), quiet.get(membership.pk))


def member(membership: Membership) -> MemberChoices:
    return member_with_choices(membership, *_chosen([membership]))


def _chosen(
    memberships: Collection[Membership],
) -> tuple[dict[int, dict[tuple[str, str], bool]], dict[int, tuple[time, time]]]:
    ids = [one.pk for one in memberships]
    choices: dict[int, dict[tuple[str, str], bool]] = {}
    for row in NoticeChoice.objects.filter(membership__in=ids):
        own = choices.setdefault(row.membership_id, {})
        own[row.kind, row.channel_kind] = row.is_wanted
    hours = QuietHours.objects.filter(membership__in=ids)
    return choices, {one.membership_id: (one.begins, one.ends) for one in hours}


@dataclass(frozen=True, slots=True)
class Recipients:
    """The members of an organization with their addresses, and its channels, read once for many
    notices.
    """

    members: Sequence[MemberChoices]
    addresses: Mapping[str, Mapping[UUID, Sequence[str]]]
    """By kind of channel, and by person."""
    channels: Sequence[EnabledChannel]

    @classmethod
    def of(cls, organizations: Collection[Organization]) -> dict[UUID, Recipients]:
        """By organization, with the same statements for one and for many."""
        members = members_of(organizations)
        users = [one.membership.user for own in members.values() for one in own]
        addresses = {kind: one.addresses(users) for kind, one in person_channels.items()}
        ids = [one.pk for one in organizations]
        channels: dict[UUID, list[EnabledChannel]] = {}
        for source in organization_channels:
            for pk, enabled in source.enabled(ids).items():
                channels.setdefault(pk, []).extend(enabled)
        return {pk: cls(members.get(pk, ()), addresses, channels.get(pk, ())) for pk in ids}

    def of_kind(self, kind: NoticeKind, severity: Severity) -> Iterable[Receiver]:
        """Each once."""
        for member in self.members:
            for channel_kind, addresses in self.addresses.items():
                if not member.wants(kind, channel_kind):
                    continue
                user = member.membership.user
                for address in addresses.get(user.pk, ())[:MAX_DEVICES]:
                    yield Receiver(
                        name=":".join(
                            filter(None, ("person", str(user.pk), channel_kind, address))
                        ),
                        channel_kind=channel_kind,
                        user=user,
                        quiet=member.quiet,
                    )
        for channel in self.channels:
            if channel.wants(kind, severity):
                yield Receiver(
                    name=f"channel:{channel.id}", channel_kind=channel.kind, channel_id=channel.id
                )


def route_of(notice: Notice) -> Route | None:
    """None: the receiver takes no more notices."""
    if notice.user_id is not None:
        channel = person_channels.get(notice.channel_kind)
        return None if channel is None else channel.route(notice)
    routes = (one.route(notice) for one in organization_channels)
    return next((route for route in routes if route is not None), None)


def tell_answer(notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
    """Tell the channel how its receiver answered."""
    if notice.user_id is None:
        for source in organization_channels:
            source.answered(notice, answer, now)
    elif notice.channel_kind in person_channels:
        person_channels[notice.channel_kind].answered(notice, answer, now)
