"""Add, change and remove channels. Each change is audited; no secret is in an entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.audit.recording import record_row
from portal.audit.verbs import Verb
from portal.core.errors import Conflict, FieldError, Invalid
from portal.notifications.channels.channel import ChannelKind
from portal.notifications.channels.models import (
    MIN_SEVERITY_VALUES,
    ChannelValue,
    NoticeChannel,
    OffBecause,
)
from portal.notifications.channels.registry import CHANNELS, OWN_SECRET
from portal.notifications.channels.sealed_values import PREVIOUS, seal, unsealed
from portal.notifications.channels.webhook import new_secret
from portal.notifications.kinds import NoticeKind
from portal.organizations.integrations import (
    free_name,
    locked,
    require_room,
    save_changed,
    save_previous_ended,
    save_rotated,
)
from portal.organizations.models import Organization

MAX_CHANNELS: Final = 20
"""Of one organization."""
_RECORDED: Final = ("name", "kind", "is_enabled", "off_because", "min_severity")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDraft:
    """What to set. None keeps what is there; a new channel has the defaults of the model."""

    name: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    "by the channel's fields; an empty secret keeps the saved one"
    is_enabled: bool | None = None
    notice_kinds: Iterable[str] | None = None
    "empty: all"
    min_severity: str | None = None


@transaction.atomic
def add_channel(
    *, organization: Organization, actor: Actor, kind: str, draft: ChannelDraft
) -> tuple[NoticeChannel, str]:
    """A new channel, and the secret that the portal made for it, which nothing can show again;
    empty if its secrets were typed.
    """
    require_room(NoticeChannel, organization, actor, most=MAX_CHANNELS)
    if kind not in CHANNELS:
        raise Invalid.at("kind", "not-a-choice", "Choose how the portal sends the notices.")
    channel = NoticeChannel(
        organization=organization, kind=kind, created_at=timezone.now(), created_by=actor.user
    )
    secret = new_secret() if kind in OWN_SECRET else ""
    if draft.name is None:
        raise Invalid.at("name", "required", "Give the channel a name.")
    _apply(channel, draft, {"secret": secret} if secret else {})
    channel.save(force_insert=True)
    record_row(Verb.NOTICE_CHANNEL_ADDED, channel, actor, after=_recorded(channel))
    return channel, secret


@transaction.atomic
def change_channel(*, channel: NoticeChannel, actor: Actor, draft: ChannelDraft) -> NoticeChannel:
    """Change settings; the kind stays. An empty secret keeps the saved one."""
    channel = locked(channel, actor)
    before = _recorded(channel)
    # A channel whose secrets no key fits can still be renamed and switched off.
    sealed = unsealed(channel) if draft.values else {}
    _apply(channel, draft, sealed)
    is_new_secret = bool(draft.values) and unsealed(channel) != sealed
    after = _recorded(channel) | ({"secret": True} if is_new_secret else {})
    save_changed(Verb.NOTICE_CHANNEL_CHANGED, channel, actor, before=before, after=after)
    return channel


@transaction.atomic
def rotate_secret(*, channel: NoticeChannel, actor: Actor) -> tuple[NoticeChannel, str]:
    """Make a new secret. The current one signs beside it for `PREVIOUS_SECRET_HOLDS`; one that was
    replaced before ends now. Conflict for a channel whose secrets are typed.
    """
    channel = locked(channel, actor)
    if channel.kind not in OWN_SECRET:
        message = "The receiver makes the secret of this channel. Type the new one."
        raise Conflict(message, code="secret-not-ours")
    secret, sealed = new_secret(), unsealed(channel)
    channel.secrets = seal(sealed | {PREVIOUS: sealed["secret"], "secret": secret})
    save_rotated(Verb.NOTICE_CHANNEL_ROTATED, channel, actor)
    return channel, secret


@transaction.atomic
def end_previous_secret(*, channel: NoticeChannel, actor: Actor) -> NoticeChannel:
    """The former secret stops signing at once. Repeating it is harmless."""
    channel = locked(channel, actor)
    if channel.previous_until is not None:
        channel.secrets = seal({k: v for k, v in unsealed(channel).items() if k != PREVIOUS})
    save_previous_ended(Verb.NOTICE_CHANNEL_PREVIOUS_ENDED, channel, actor)
    return channel


@transaction.atomic
def remove_channel(*, channel: NoticeChannel, actor: Actor) -> None:
    """Remove it with its secrets and its delivery log."""
    channel = locked(channel, actor)
    record_row(Verb.NOTICE_CHANNEL_REMOVED, channel, actor, before=_recorded(channel))
    channel.delete()


def _apply(channel: NoticeChannel, draft: ChannelDraft, sealed: Mapping[str, str]) -> None:
    """`sealed`: the secrets so far."""
    if draft.name is not None:
        channel.name = free_name(channel, draft.name)
    if draft.notice_kinds is not None:
        channel.notice_kinds = _kinds(draft.notice_kinds)
    if draft.min_severity is not None:
        if draft.min_severity not in MIN_SEVERITY_VALUES:
            raise Invalid.at("min_severity", "not-a-choice", "Choose one of the severities.")
        channel.min_severity = draft.min_severity
    if draft.is_enabled is not None and draft.is_enabled != channel.is_enabled:
        channel.is_enabled = draft.is_enabled
        channel.off_because = "" if draft.is_enabled else OffBecause.PERSON
    # A channel whose address is no longer allowed can still be renamed and switched off.
    if draft.values or channel._state.adding:
        _set_values(channel, draft.values, sealed)


def _set_values(
    channel: NoticeChannel, typed: Mapping[str, str], sealed: Mapping[str, str]
) -> None:
    kind = CHANNELS[channel.kind]
    known = {one.name: one for one in kind.fields}
    for name in typed:
        if name not in known:
            raise Invalid.at(
                f"values.{name[:60]}", "unknown-field", "This channel has no such field."
            )
    plain = {one.name: one.value for one in channel.values}
    hidden = dict(sealed)
    for name, text in typed.items():
        value = text.strip()
        if known[name].is_secret:
            hidden[name] = value or hidden.get(name, "")
        else:
            plain[name] = value
    _check(kind, plain | hidden)
    channel.values = tuple(
        ChannelValue(one.name, plain[one.name]) for one in kind.fields if plain.get(one.name)
    )
    channel.secrets = seal({name: value for name, value in hidden.items() if value})


def _check(kind: ChannelKind, values: Mapping[str, str]) -> None:
    for one in kind.fields:
        value = values.get(one.name, "")
        if one.is_required and not value:
            raise Invalid.at(f"values.{one.name}", "required", "Fill this in.")
        if len(value) > one.max_length or not value.isprintable():
            message = f"At most {one.max_length} printable characters."
            raise Invalid.at(f"values.{one.name}", "too-long", message)
    try:
        kind.check(values)
    except Invalid as error:
        errors = [FieldError(f"values.{one.field}", one.code, one.message) for one in error.errors]
        raise Invalid(error.message, errors=errors) from None


def _kinds(typed: Iterable[str]) -> tuple[str, ...]:
    wanted = set(typed)
    if not wanted <= set(NoticeKind):
        raise Invalid.at("notice_kinds", "not-a-choice", "Choose from the kinds of notices.")
    return tuple(one.value for one in NoticeKind if one in wanted)


def _recorded(channel: NoticeChannel) -> dict[str, Any]:
    values = {name: getattr(channel, name) for name in _RECORDED}
    values["notice_kinds"] = list(channel.notice_kinds)
    return values | {one.name: one.value for one in channel.values}
