"""The settings of a channel as typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.http import QueryDict

from portal.core.errors import FieldError, Invalid
from portal.notifications.channels.models import NoticeChannel
from portal.notifications.channels.registry import CHANNELS
from portal.notifications.channels.services.change import ChannelDraft
from portal.notifications.kinds import NoticeKind
from portal.notifications.message import Severity

MAX_TYPED: Final = 2_000
"""Characters of one field."""
VALUE: Final = "value_"
"""Before the names of the channel's own fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldShown:
    """One field of the channel's kind."""

    name: str
    label: str
    hint: str
    value: str
    error: str
    type: str
    "of the input"
    is_required: bool
    max_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelForm:
    """As typed, with what is wrong."""

    kind: str
    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    "by the names of the kind's fields; a secret only as typed now"
    saved_secrets: frozenset[str] = frozenset()
    "names of secrets that are saved, and stay unless a new one is typed"
    min_severity: str = Severity.INFO.value
    notice_kinds: frozenset[str] = frozenset(NoticeKind)
    errors: Mapping[str, str] = field(default_factory=dict)
    "by field"

    @classmethod
    def typed(
        cls, kind: str, data: QueryDict, *, saved_secrets: frozenset[str] = frozenset()
    ) -> ChannelForm:
        def text(name: str) -> str:
            return data.get(name, "").strip()[:MAX_TYPED]

        return cls(
            kind=kind,
            name=text("name"),
            values={one.name: text(f"{VALUE}{one.name}") for one in CHANNELS[kind].fields},
            saved_secrets=saved_secrets,
            min_severity=text("min_severity"),
            notice_kinds=frozenset(data.getlist("notice_kinds")[: 2 * len(NoticeKind)]),
        )

    @classmethod
    def saved(cls, channel: NoticeChannel, *, saved_secrets: frozenset[str]) -> ChannelForm:
        return cls(
            kind=channel.kind,
            name=channel.name,
            values={one.name: one.value for one in channel.values},
            saved_secrets=saved_secrets,
            min_severity=channel.min_severity,
            notice_kinds=frozenset(channel.notice_kinds or NoticeKind),
        )

    @property
    def fields(self) -> list[FieldShown]:
        return [
            FieldShown(
                name=f"{VALUE}{one.name}",
                label=one.label,
                hint=(
                    "Saved, and never shown. Type a new one to replace it."
                    if one.name in self.saved_secrets
                    else one.help_text
                ),
                value="" if one.is_secret else self.values.get(one.name, ""),
                error=self.errors.get(f"values.{one.name}", ""),
                type="password" if one.is_secret else "text",
                is_required=one.is_required and one.name not in self.saved_secrets,
                max_length=one.max_length,
            )
            for one in CHANNELS[self.kind].fields
        ]

    def with_errors(self, errors: Sequence[FieldError]) -> ChannelForm:
        return replace(self, errors={one.field: one.message for one in reversed(errors)})

    def draft(self) -> ChannelDraft:
        """All kinds together are saved as no choice, so that new kinds are included.

        :raises Invalid: no kind is chosen.
        """
        chosen = self.notice_kinds
        if not chosen:
            message = "Choose at least one kind of notice."
            raise Invalid.at("notice_kinds", "required", message)
        return ChannelDraft(
            name=self.name,
            values=self.values,
            min_severity=self.min_severity,
            notice_kinds=() if chosen >= set(NoticeKind) else chosen,
        )
