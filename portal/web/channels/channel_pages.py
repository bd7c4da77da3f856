"""The contents of the pages: all channels, a new one, one with its test, and its deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar, Final

from django.urls import reverse

from portal.core.formatting import plural
from portal.notifications.channels import queries, wording
from portal.notifications.channels.models import NoticeChannel, NoticeDelivery
from portal.notifications.channels.registry import CHANNELS, OWN_SECRET
from portal.notifications.channels.sealed_values import saved_names
from portal.notifications.channels.services.deliver import MAX_DELIVERIES
from portal.notifications.wording import KIND_NAMES
from portal.web.channels.channel_form import ChannelForm
from portal.web.frame import Frame
from portal.web.integrations.pages import (
    IntegrationShown,
    IntegrationsPage,
    IntegrationState,
    KindChoice,
    KindsPage,
    TestOutcome,
    integration_shown,
)
from portal.web.options import Option, options
from portal.web.settings.navigation import SettingsPage
from portal.web.settings.removal import RemovalPage
from portal.wording.facts import Badge

NEWEST_SHOWN: Final = 5
"""Deliveries on the channel's own page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsPage(IntegrationsPage):
    """The channels."""

    tab: ClassVar = "notices"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelKindsPage(KindsPage):
    """The kinds of channels to choose from."""

    tab: ClassVar = "notices"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOption:
    """A kind of notice, and whether the channel gets it."""

    value: str
    words: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChannelPage(SettingsPage):
    """The form for a new channel of one kind."""

    template: ClassVar = "channels/new_channel.html"
    tab: ClassVar = "notices"

    kind: str
    form: ChannelForm
    severities: Sequence[Option]
    notice_kinds: Sequence[KindOption]
    kinds_say: str
    error: str
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """One try to deliver a message."""

    at: datetime
    title: str
    severity: str
    badge: Badge
    answer: str
    is_test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPage(SettingsPage):
    """One channel: its state, its test, its settings, and what its receiver answered."""

    template: ClassVar = "channels/channel.html"
    tab: ClassVar = "notices"

    shown: IntegrationShown
    form: ChannelForm
    severities: Sequence[Option]
    notice_kinds: Sequence[KindOption]
    kinds_say: str
    rows: Sequence[DeliveryRow]
    deliveries: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesPage(SettingsPage):
    """The delivery log of a channel."""

    template: ClassVar = "channels/deliveries.html"
    tab: ClassVar = "notices"

    name: str
    kept: int
    rows: Sequence[DeliveryRow]
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveChannelPage(RemovalPage):
    """The question before a channel is removed."""

    tab: ClassVar = "notices"


def channels_page(start: Frame) -> ChannelsPage:
    rows = [_state(start, one) for one in queries.channels(start.organization)]
    return ChannelsPage(
        frame=start,
        title="Notices",
        headline=f"{plural(len(rows), 'channel')} for notices." if rows else "No channel yet.",
        lead=f"A channel takes the notices of {start.organization.name} to a team or a program.",
        rows=rows,
        add="Add a channel",
        new=reverse("channels:new-channel", args=[start.organization.slug]),
    )


def kinds_page(start: Frame) -> ChannelKindsPage:
    new = reverse("channels:new-channel", args=[start.organization.slug])
    return ChannelKindsPage(
        frame=start,
        title="New channel",
        headline="Add a channel",
        lead="Choose what receives the notices.",
        kinds=[
            KindChoice(name=one.name, url=f"{new}?kind={kind}") for kind, one in CHANNELS.items()
        ],
        back=reverse("channels:channels", args=[start.organization.slug]),
    )


def new_channel_page(start: Frame, form: ChannelForm, *, error: str = "") -> NewChannelPage:
    return NewChannelPage(
        frame=start,
        title=f"New channel: {CHANNELS[form.kind].name}",
        kind=CHANNELS[form.kind].name,
        form=form,
        severities=_severities(form),
        notice_kinds=_notice_kinds(form),
        kinds_say=_kinds_say(form),
        error=error,
        back=reverse("channels:new-channel", args=[start.organization.slug]),
    )


def channel_page(
    start: Frame, channel: NoticeChannel, *, form: ChannelForm | None = None, secret: str = ""
) -> ChannelPage:
    """`secret`: only right after it was made."""
    form = form or ChannelForm.saved(channel, saved_secrets=saved_names(channel))
    return ChannelPage(
        frame=start,
        title=channel.name,
        shown=integration_shown(
            start,
            channel,
            _state(start, channel),
            partial(_url, start, channel),
            has_secret=channel.kind in OWN_SECRET,
            secret=secret,
            last_test=_last_test(channel),
        ),
        form=form,
        severities=_severities(form),
        notice_kinds=_notice_kinds(form),
        kinds_say=_kinds_say(form),
        rows=[_delivery(one) for one in queries.deliveries(channel)[:NEWEST_SHOWN]],
        deliveries=_url(start, channel, "deliveries"),
    )


def deliveries_page(start: Frame, channel: NoticeChannel) -> DeliveriesPage:
    return DeliveriesPage(
        frame=start,
        title=f"Deliveries of {channel.name}",
        name=channel.name,
        kept=MAX_DELIVERIES,
        rows=[_delivery(one) for one in queries.deliveries(channel)[:MAX_DELIVERIES]],
        back=_url(start, channel, "channel"),
    )


def remove_channel_page(start: Frame, channel: NoticeChannel) -> RemoveChannelPage:
    return RemoveChannelPage(
        frame=start,
        title=f"Remove {channel.name}?",
        points=[
            "It gets no notices from now on.",
            "The portal deletes its secrets and its deliveries.",
        ],
        back=_url(start, channel, "channel"),
    )


def _state(start: Frame, channel: NoticeChannel) -> IntegrationState:
    return IntegrationState(
        name=channel.name,
        url=_url(start, channel, "channel"),
        what=CHANNELS[channel.kind].name,
        badge=wording.badge(channel),
        used="Last delivered",
        used_at=channel.last_success_at,
        unused="Nothing delivered yet.",
        troubles=wording.troubles(channel),
    )


def _severities(form: ChannelForm) -> list[Option]:
    known = {one.value: words for one, words in wording.MIN_SEVERITIES.items()}
    return options(known, form.min_severity)


def _notice_kinds(form: ChannelForm) -> list[KindOption]:
    return [
        KindOption(value=one.value, words=words, is_chosen=one.value in form.notice_kinds)
        for one, words in KIND_NAMES.items()
    ]


def _kinds_say(form: ChannelForm) -> str:
    chosen = len(form.notice_kinds & set(KIND_NAMES))
    return "All" if chosen == len(KIND_NAMES) else f"{chosen} of {len(KIND_NAMES)}"


def _last_test(channel: NoticeChannel) -> TestOutcome | None:
    newest = queries.deliveries(channel).filter(is_test=True).first()
    if newest is None:
        return None
    badge = wording.outcome(newest.outcome)
    return TestOutcome(
        at=newest.at,
        badge=badge,
        says=f"{badge.word}. {wording.means(newest.outcome)}",
        answer=newest.answer,
    )


def _delivery(one: NoticeDelivery) -> DeliveryRow:
    return DeliveryRow(
        at=one.at,
        title=one.title,
        severity=wording.severity(one.severity),
        badge=wording.outcome(one.outcome),
        answer=one.answer,
        is_test=one.is_test,
    )


def _url(start: Frame, channel: NoticeChannel, name: str) -> str:
    return reverse(f"channels:{name}", args=[start.organization.slug, channel.pk])
